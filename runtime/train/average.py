"""Averages of the weights over training: exponential moving, and the mean of snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...compiler.spec.averaging import first_step
from ...compiler.spec.train import Train


class Shadow:
    """A float32 copy of every store that some rule moves, and how often it did.

    Attributes:
        updates: how many weights it has taken in.
    """

    def __init__(self, start: Mapping[str, Tensor]) -> None:
        self.updates = 0
        self._shadow = {name: weight.detach().to(torch.float32, copy=True) for name, weight in start.items()}

    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """Take in the weights after step `step`, counted from 1, if the rule takes that step."""
        raise NotImplementedError

    def weights(self) -> dict[str, Tensor]:
        """The average, float32, by store name; needs one update at least."""
        assert self.updates > 0, "an average of no weights"
        return {name: shadow.clone() for name, shadow in self._shadow.items()}

    @torch.no_grad()
    def _lerp(self, parameters: Mapping[str, Tensor], share: float) -> None:
        for name, shadow in self._shadow.items():
            shadow.lerp_(parameters[name].detach().to(torch.float32), share)
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs to go on bit for bit."""
        return {"updates": self.updates, "shadow": dict(self._shadow)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned for the same stores."""
        assert state["shadow"].keys() == self._shadow.keys()
        self.updates = state["updates"]
        for name, shadow in self._shadow.items():
            shadow.copy_(state["shadow"][name])


class ExponentialAverage(Shadow):
    """s <- decay s + (1 - decay) w after each step from `start_step` on.

    With `debias` the shadow starts at 0 and is divided by 1 - decay^n on reading (the correction of Adam, Kingma and
    Ba 2015), so nothing of the start is left in it. Without, it starts at the weights before its first step, whose
    share after n updates is decay^n: 7 to 16% in published runs of 600 to 900 steps at decay 0.997.

    Args:
        parameters: by store name; the initial weights.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float, *, debias: bool, start_step: int = 0) -> None:
        assert 0.0 <= decay < 1.0, decay
        super().__init__(parameters)
        self.decay = decay
        self.debias = debias
        self.start_step = start_step
        if debias:
            for shadow in self._shadow.values():
                shadow.zero_()

    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """See `Shadow.update`."""
        if step > self.start_step:
            self._lerp(parameters, 1.0 - self.decay)
        elif step == self.start_step and not self.debias:
            for name, shadow in self._shadow.items():
                shadow.copy_(parameters[name].detach())

    def weights(self) -> dict[str, Tensor]:
        """See `Shadow.weights`."""
        weights = super().weights()
        if not self.debias:
            return weights
        correction = 1.0 - self.decay**self.updates
        return {name: shadow / correction for name, shadow in weights.items()}


class SnapshotMean(Shadow):
    """Mean of the weights after steps whose number, from 1, is a multiple of `every`, steps before `first` left out.

    Stochastic weight averaging (Izmailov et al. 2018), kept as a running mean: m <- m + (w - m) / n.

    Args:
        parameters: by store name; their values have no share in the mean.
        first: the first step that counts, from 0.
    """

    def __init__(self, parameters: Mapping[str, Tensor], *, every: int, first: int) -> None:
        super().__init__(parameters)
        self.every = every
        self.first = first

    def update(self, parameters: Mapping[str, Tensor], step: int) -> None:
        """See `Shadow.update`."""
        if step > self.first and step % self.every == 0:
            self._lerp(parameters, 1.0 / (self.updates + 1))


def loaded_average(train: Train, parameters: Mapping[str, Tensor]) -> Shadow | None:
    """The average that `train.load` names, at its start; None where the last weights are scored and packed."""
    options = train.loaded
    if options is None:
        return None
    if options.kind == "ema":
        assert options.decay is not None and options.debias is not None and options.start_step is not None
        return ExponentialAverage(parameters, options.decay, debias=options.debias, start_step=options.start_step)
    assert options.every is not None and options.start is not None
    first = first_step(options.start, train.schedule, train.stop.steps)
    assert first is not None, "a mean that never begins"  # LS526
    return SnapshotMean(parameters, every=options.every, first=first)
