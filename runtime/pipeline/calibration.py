"""The calibration phase: what the schemes need to know of the trained model, measured on its training tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import torch
from torch import Tensor

from ...compiler.emit.loader import build_module
from ...compiler.plan import Plan
from ..calibrate import collect_statistics
from ..calibrate.batches import sampled_batches, training_batches
from ..calibrate.collect import Batch
from ..data.token_source import TokenData
from ..quantize import EncodedStore, decode
from ..quantize.statistics import StoreStatistics
from .scoring import load_weights

Progress = Callable[[int, int], None]
Stored = Callable[[str, StoreStatistics | None], EncodedStore]
"""A store as the artifact will hold it, of what calibration measured of it."""


def calibrated_stores(plan: Plan) -> list[str]:
    """Names of the stores whose schemes need calibration."""
    return [store.name for store in plan.exported_stores if store.scheme.calibrated]


class Calibrator:
    """A trained model with the text that it is measured on, in float32, in the mode of the activity `calibrate`."""

    def __init__(
        self,
        plan: Plan,
        weights: Mapping[str, Tensor],
        states: Mapping[str, Tensor],
        data: TokenData,
        device: str = "cpu",
        drawn: Progress = lambda done, total: None,
    ) -> None:
        """`drawn` is told tokens that the model has sampled of itself, and in all."""
        self._plan, self._data, self._device, self._drawn = plan, data, device, drawn
        self._module = build_module(plan).to(device)
        load_weights(plan, self._module, weights, states)
        self._settings = plan.spec.quantization.calibration
        self._mode = plan.spec.activities["calibrate"]
        self._sampled: list[Batch] | None = None

    def one_shot(self, names: Collection[str] | None, progress: Progress) -> dict[str, StoreStatistics]:
        """Statistics of these stores, or of every matrix that products or lookups read.

        Args:
            progress: is told tokens run and in all.

        Raises:
            CalibrationError: a store that no product or lookup reads in that mode, or values that are not finite.
        """
        return self._measured(names, lambda tokens: progress(tokens, self._settings.tokens))

    def sequential(
        self, names: Collection[str] | None, stored: Stored, progress: Progress
    ) -> dict[str, StoreStatistics]:
        """As `one_shot`, block by block in the order of their first use; afterwards the model is the quantized one.

        Stores that need no statistics have their stored values from the start, those of a block after its turn. So the
        inputs of a block are those that it will have, but for what later blocks and later loops put in.
        """
        self._batches()
        calibrated = set(calibrated_stores(self._plan))
        for store in self._plan.exported_stores:
            if store.name not in calibrated:
                self._load(stored(store.name, None))
        chosen = turns(self._plan, self._mode, self._measurable(names))
        each = self._settings.tokens
        found: dict[str, StoreStatistics] = {}
        for number, turn in enumerate(chosen):
            found |= self._measured(turn, _part(progress, number, len(chosen), each))
            for name in calibrated.intersection(turn):
                self._load(stored(name, found[name]))
        return {store.name: found[store.name] for store in self._plan.exported_stores if store.name in found}

    def _measurable(self, names: Collection[str] | None) -> list[str]:
        """`names`, or those that one batch finds."""
        if names is not None:
            return list(names)
        batch = next(iter(self._batches()))
        return list(collect_statistics(self._plan, self._module, [batch], self._mode))

    def _measured(self, names: Collection[str] | None, progress: Callable[[int], None]) -> dict[str, StoreStatistics]:
        return collect_statistics(
            self._plan, self._module, self._batches(), self._mode, stores=names, progress=progress
        )

    def _batches(self) -> Iterable[Batch]:
        """The same on every call. The model's own text is drawn at the first, so that it is that of the trained one."""
        drawn: Iterable[Batch] = self._sampled or ()
        if self._settings.source == "training":
            drawn = training_batches(self._plan, self._data.train)
        elif self._sampled is None:
            documents, total = self._plan.spec.architecture.model.documents, self._settings.tokens
            boundary = None if documents is None else documents.boundary_token
            drawn = self._sampled = list(
                sampled_batches(self._plan, self._module, self._mode, boundary, lambda done: self._drawn(done, total))
            )
        return ((tokens.to(self._device), targets.to(self._device)) for tokens, targets in drawn)

    def _load(self, encoded: EncodedStore) -> None:
        with torch.no_grad():
            self._module.get_parameter(encoded.name).copy_(torch.from_numpy(decode(encoded)))


def _part(progress: Progress, number: int, parts: int, each: int) -> Callable[[int], None]:
    """Progress within one of so many equal parts."""
    return lambda tokens: progress(number * each + tokens, parts * each)


def turns(plan: Plan, mode: str, names: Collection[str]) -> list[list[str]]:
    """These stores by block, in the order in which `mode` first reads one of each; those that it does not read last."""
    wanted = set(names)
    read = (store for site in plan.modes[mode].sites for store in plan.graph.bindings(site, mode).values())
    found: dict[str, list[str]] = {}
    for name in dict.fromkeys([*read, *names]):
        if name in wanted:
            found.setdefault(_block(name), []).append(name)
    return list(found.values())


def _block(store: str) -> str:
    """`blocks.core.3` of all of the block's stores; of others what they belong to, such as `ngram_hash_2`."""
    parts = store.split(".")
    return ".".join(parts[:3] if parts[0] == "blocks" else parts[:-1])
