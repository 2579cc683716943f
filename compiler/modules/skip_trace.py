"""Skip trace: on steps where a stage does not run, the change it last made is added in its place, fading with age."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .parameter import empty


class SkipTrace(nn.Module):
    """Slots: inject () and decay (), both before a sigmoid.

    Buffers: `delta`, the recorded change of the stream (B, T, d), and `age` (), how often it has been added since.
    Both are None, and not in the state dict, until the first change is recorded. The change is one of an earlier
    batch, added position by position to a batch of other text. In evaluation the module neither records nor adds.
    """

    delta: Tensor | None
    age: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.inject = empty()
        self.decay = empty()
        self.register_buffer("delta", None)
        self.register_buffer("age", None)

    def record(self, x_in: Tensor, x_out: Tensor) -> Tensor:
        """Keeps what the stage did, x_out - x_in, both (B, T, d), at age 0; returns x_out."""
        if self.training:
            self.delta = (x_out - x_in).detach()
            self.age = torch.zeros((), dtype=torch.int64, device=x_out.device)
        return x_out

    def add_trace(self, x: Tensor) -> Tensor:
        """x + sigmoid(inject) * sigmoid(decay)^age * delta, then age + 1; x (B, T, d) itself without a record.

        Raises:
            ValueError: the recorded change has another shape than x.
        """
        if not self.training:
            return x
        if self.delta is None:  # nothing to add yet; inject and decay get the gradient zero
            return x + (0.0 * (self.inject + self.decay)).to(x.dtype)
        if self.delta.shape != x.shape:
            raise ValueError(
                f"skip trace recorded a change of shape {tuple(self.delta.shape)} and cannot be added to a stream of "
                f"shape {tuple(x.shape)}; keep batch and sequence length the same while it is trained"
            )
        assert self.age is not None
        weight = torch.sigmoid(self.inject) * torch.sigmoid(self.decay) ** self.age
        self.age = self.age + 1  # a new tensor: the gradient of `decay` still needs the old one
        return x + weight.to(x.dtype) * self.delta.to(x.dtype)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:  # noqa: ANN401
        """The loaded cache, of whatever shape, or none where the state holds none."""
        for name in ("delta", "age"):
            saved = state_dict.get(prefix + name)
            setattr(self, name, None if saved is None else torch.empty_like(saved, device=self.inject.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
