"""Forward passes on rounded weights, for quantization-aware steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ...compiler.plan import PlannedStore
from ..quantize.fake import round_as_exported, straight_through


class RoundedWeights:
    """Puts the rounded weights of the stores that the artifact rounds into a module, and takes them out again.

    Done slot by slot: `torch.func.functional_call` finds submodules by attribute, and a stage may be called `values`.
    """

    def __init__(self, stores: Sequence[PlannedStore], module: nn.Module) -> None:
        self._stores = [store for store in stores if store.exported and store.scheme.coded]
        self._slots: dict[str, tuple[nn.Module, str, nn.Parameter]] = {}
        for prefix, owner in module.named_modules():
            for slot, parameter in owner.named_parameters(recurse=False):
                self._slots[f"{prefix}.{slot}" if prefix else slot] = (owner, slot, parameter)

    def of_mode(self, mode: str) -> dict[str, Tensor]:
        """The rounded values, without gradients, of the stores that `mode` reads: once for all passes of a step."""
        return {
            store.name: round_as_exported(self._slots[store.name][2], store.scheme, store.name)
            for store in self._stores
            if mode in store.modes
        }

    @contextmanager
    def inside(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """The module computes with `values` for the block; gradients go to its own parameters."""
        for name, value in values.items():
            owner, slot, parameter = self._slots[name]
            owner._parameters[slot] = straight_through(parameter, value)  # type: ignore[assignment]
        try:
            yield
        finally:
            for name in values:
                owner, slot, parameter = self._slots[name]
                owner._parameters[slot] = parameter
