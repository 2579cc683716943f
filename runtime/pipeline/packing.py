"""The packing phase: every store that a forward pass reads, once, by its scheme; the states; the resolved spec."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ...compiler.plan import Plan
from ..artifact import STATE_SCHEME, ArtifactContents, ArtifactSummary, check_target, write_artifact, write_built
from ..data.token_source import TokenData
from ..quantize import EncodedStore, encode
from ..quantize.statistics import StoreStatistics
from .allocation import Allocation, allocate, stored_at
from .calibration import Calibrator, calibrated_stores
from .console import Console
from .rounding_events import event_lines, store_reports


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A written artifact and how its stores came to be.

    Attributes:
        allocation: of the stores of kind rate_distortion; None where there are none.
        statistics: of the stores that were calibrated.
    """

    summary: ArtifactSummary
    contents: ArtifactContents
    allocation: Allocation | None
    statistics: dict[str, StoreStatistics]


def pack(
    plan: Plan,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
    data: TokenData,
    path: Path,
    console: Console,
    *,
    measure: bool = False,
    device: str = "cpu",
) -> Packed:
    """Calibrates where schemes need it, encodes and writes the artifact, whole or not at all.

    Args:
        weights, states: may hold more than the artifact takes of them.
        measure: calibrate every matrix, so that the cost of its rounding can be predicted.
        device: that calibration runs on.

    Raises:
        QuantizeError: a store holds what its scheme cannot keep, or the budget cannot be met; names the store.
        CalibrationError: a store cannot be calibrated.
        ArtifactError: the file cannot be written.
    """
    check_target(path)

    def fit(statistics: Mapping[str, StoreStatistics]) -> tuple[ArtifactContents, Allocation | None]:
        return _fitted(plan, weights, contents_of(plan, weights, states, data, statistics), statistics, console.note)

    statistics: dict[str, StoreStatistics] = {}
    if calibrated_stores(plan) or measure:
        calibrator = Calibrator(plan, weights, states, data, device, console.counter("sampled tokens"))
        names = None if measure else calibrated_stores(plan)
        statistics = _calibrated(plan, weights, calibrator, names, fit, console, available=len(data.train))
    contents, allocation = fit(statistics)
    for line in event_lines(store_reports(plan, weights, contents, statistics)):
        console.note(line)
    if allocation is None:
        return Packed(write_artifact(path, contents, plan.spec.quantization.codec), contents, None, statistics)
    write_built(path, allocation.whole)
    return Packed(allocation.summary, contents, allocation, statistics)


def _fitted(
    plan: Plan,
    weights: Mapping[str, Tensor],
    contents: ArtifactContents,
    statistics: Mapping[str, StoreStatistics],
    note: Callable[[str], None],
) -> tuple[ArtifactContents, Allocation | None]:
    """`contents` with the stores that the budget fixes, if there are any."""
    if len(contents.stores) == len(plan.exported_stores):
        return contents, None
    allocation = allocate(plan, float32_arrays(plan, weights), statistics, contents, artifact_limit(plan), note)
    note(allocation.text)
    return allocation.contents, allocation


def _calibrated(
    plan: Plan,
    weights: Mapping[str, Tensor],
    calibrator: Calibrator,
    names: Collection[str] | None,
    fit: Callable[[Mapping[str, StoreStatistics]], tuple[ArtifactContents, Allocation | None]],
    console: Console,
    *,
    available: int,
) -> dict[str, StoreStatistics]:
    """Statistics of `names` in the spec's order. Sequential ones need a lambda: that of a fit to those in one shot."""
    settings = plan.spec.quantization.calibration
    budgeted = any(store.scheme.kind == "rate_distortion" for store in plan.exported_stores)
    lam, statistics = 0.0, {}
    if settings.order == "one_shot" or budgeted:
        console.note(f"calibrating on {settings.tokens:,} tokens ({settings.source})")
        if settings.source == "training" and settings.tokens > available:
            console.note(f"there are only {available:,} training tokens: many are drawn more than once")
        statistics = calibrator.one_shot(names, console.counter("calibrated tokens"))
    if settings.order == "one_shot":
        return statistics
    if budgeted:
        _, allocation = fit(statistics)
        assert allocation is not None
        lam = allocation.lam
    console.note("calibrating block by block, after the blocks before each are quantized")
    stored = partial(_stored, plan, weights, lam)
    return calibrator.sequential(names, stored, console.counter("calibrated tokens"))


def _stored(
    plan: Plan, weights: Mapping[str, Tensor], lam: float, name: str, statistics: StoreStatistics | None
) -> EncodedStore:
    scheme = next(store.scheme for store in plan.exported_stores if store.name == name)
    array = _float32(weights[name])
    if scheme.kind == "rate_distortion":
        return stored_at(name, array, statistics, lam)
    return encode(name, array, scheme, statistics)


def artifact_limit(plan: Plan) -> int:
    """Bytes that the budget leaves for the artifact."""
    budget = plan.spec.budget
    return budget.bytes - budget.margin - budget.code_bytes


def contents_of(
    plan: Plan,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
    data: TokenData,
    statistics: Mapping[str, StoreStatistics],
) -> ArtifactContents:
    """What the artifact holds, but for the stores that are fitted to the budget."""
    return ArtifactContents(
        spec=plan.spec.plain,
        stores=encode_stores(plan, weights, statistics),
        states=encode_states(plan, states),
        tokenizer=data.tokenizer.model_bytes if plan.spec.data.tokenizer.embed else None,
        tokenizer_sha256=data.tokenizer.sha256,
        provenance=provenance(data),
    )


def encode_stores(
    plan: Plan, weights: Mapping[str, Tensor], statistics: Mapping[str, StoreStatistics] | None = None
) -> dict[str, EncodedStore]:
    """The stores of the artifact, quantized, but for those of kind rate_distortion, whose steps the budget fixes.

    Raises:
        QuantizeError: a store holds what its scheme cannot keep, or lacks statistics that it needs; names the store.
    """
    known = {} if statistics is None else statistics
    # what is measured beside, for a report, must not change what is stored
    needed = {store.name: known.get(store.name) for store in plan.exported_stores if store.scheme.calibrated}
    stores = [store for store in plan.exported_stores if store.scheme.kind != "rate_distortion"]
    return {
        store.name: encode(store.name, _float32(weights[store.name]), store.scheme, needed.get(store.name))
        for store in stores
    }


def encode_states(plan: Plan, states: Mapping[str, Tensor]) -> dict[str, EncodedStore]:
    """The states of the artifact, as float32.

    Raises:
        QuantizeError: a state is not finite; names it.
    """
    return {
        state.name: encode(state.name, _float32(states[state.name]), STATE_SCHEME) for state in plan.exported_states
    }


def provenance(data: TokenData) -> dict[str, str]:
    """What the artifact's score depends on beside the file itself."""
    return {"corpus_sha256": data.corpus_sha256, "validation_sha256": data.validation_sha256}


def float32_arrays(plan: Plan, weights: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.float32]]:
    """The stores of the artifact as arrays."""
    return {store.name: _float32(weights[store.name]) for store in plan.exported_stores}


def _float32(weight: Tensor) -> npt.NDArray[np.float32]:
    return weight.detach().float().cpu().numpy()
