"""LS303, LS308 to LS313: grids that a store cannot have, and settings of them without effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import asin, pi, sin, sqrt

from ..graph.model import Store
from ..passes.draft import Draft
from ..passes.quantization import first_rule
from ..size.layout import row_shape, steps, unit_elements
from ..source.wording import few
from ..spec.quantization import Scheme
from .findings import Findings, YamlPath

SMALLEST_HALF = 2.0**-24
"""A float16 step is never less."""
LOST_UNITS = 0.01
"""From this many steps expected to have a mean beyond their grid, a store counts as one that cannot be written."""
DEVIATIONS_OF_PRUNED = 5
NODES = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a rule's scheme; `place` below it."""

    code: str
    place: YamlPath
    message: str
    hint: str


def check_grids(findings: Findings, draft: Draft) -> None:
    """The artifact's stores can be written on the grids that their rules give them, once they are trained."""
    for index, rule in enumerate(draft.spec.quantization.rules):
        stores = taken_stores(draft, index)
        for check in CHECKS:
            for fault in check(rule.scheme, stores):
                path = ("quantization", "rules", index, "scheme", *fault.place)
                findings.error(fault.code, path, fault.message, fault.hint)


def taken_stores(draft: Draft, index: int) -> list[Store]:
    """Stores of the artifact that the rule takes."""
    assert draft.graph is not None
    return [store for store in draft.graph.stores if store.exported and first_rule(draft, store) == index]


def _groups(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    if scheme.step.per == "group":
        columns = scheme.step.group or 0
        short = [store.name for store in stores if row_shape(store.shape)[1] <= columns]
        if short:
            message = f"rows of {few(short)} have no more than {columns} columns: a group is a whole row"
            yield Fault("LS308", ("step",), message, "give smaller groups, or {kind: row}")


def _row_bits(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    bits = scheme.row_bits
    if bits is not None and not (bits.low <= (scheme.bits or 0) <= bits.high and bits.low < bits.high):
        message = f"row_bits from {bits.low} to {bits.high} do not lie around the {scheme.bits} bits of the rest"
        yield Fault("LS309", ("row_bits",), message, "let low <= bits <= high, and low < high")


def _ranks(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    small = [store for store in stores if scheme.error_rank > min(row_shape(store.shape))]
    if small:
        most = min(min(row_shape(store.shape)) for store in small)
        message = f"{few([store.name for store in small])} cannot have an error term of rank {scheme.error_rank}"
        hint = f"give a rank up to {most}, their smaller side, or take them by an earlier rule"
        yield Fault("LS310", ("error_rank",), message, hint)


def _row_settings(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    if scheme.step.per != "store":
        return
    for place, given in (("row_bits", scheme.row_bits is not None), ("clip", _sensitive(scheme))):
        if given:
            what = "row_bits" if place == "row_bits" else "a sensitivity_std clip"
            message = f"{what} tells rows apart, and one step of the whole store has one grid"
            yield Fault("LS311", (place,), message, "give the scheme step: {kind: row}, or leave step out")


def _without_effect(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    step, clip = scheme.step, scheme.clip
    if scheme.kind == "binary" and step.rounds_with == "exact":
        yield _vain(("step", "rounds_with"), "binary weights are signs, which no step rounds", "remove it")
    if 0 < step.floor < SMALLEST_HALF and step.dtype == "float16" and step.rounds_with == "stored":
        message = f"a floor of {step.floor:g} is below the least step that float16 has, {SMALLEST_HALF:.2g}"
        yield _vain(("step", "floor"), message, "remove it, or give a larger one")
    if clip is not None and clip.kind == "percentile_search" and clip.choose == "store" and step.per == "store":
        message = "one step of the whole store has one percentile, whatever choose says"
        yield _vain(("clip", "choose"), message, "remove it, or give the scheme step: {kind: row}")
    if _sensitive(scheme) and clip is not None and clip.strength == 0:
        message = "with a strength of 0 the rows' sensitivities, which calibration measures, change nothing"
        yield _vain(("clip", "strength"), message, "give clip: {kind: std}, or a strength above 0")
    if scheme.prune and stores and all(scheme.prune * store.elements < 1 for store in stores):
        message = f"{scheme.prune:g} of {few([store.name for store in stores])} is less than one weight"
        yield _vain(("prune",), message, "remove it, or prune more")


def _vain(place: YamlPath, message: str, hint: str) -> Fault:
    return Fault("LS312", place, message, hint)


def _pruned_percentiles(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    """A share of the magnitudes must be larger than what is pruned of a row, which varies by the row."""
    clip = scheme.clip
    if clip is None or not scheme.prune or clip.kind not in ("percentile", "percentile_search"):
        return
    most = clip.percentile if clip.percentile is not None else max(clip.percentiles)
    samples = min((_least_unit(store, scheme) for store in stores), default=1)
    pruned = scheme.prune + DEVIATIONS_OF_PRUNED * sqrt(scheme.prune * (1 - scheme.prune) / samples)
    if most < min(1.0, pruned):
        message = (
            f"the percentile {most:g} of weights of which {scheme.prune:g} are pruned is zero, at least in some rows"
        )
        least = f"{pruned:.4g} or more" if pruned < 1 else "1"
        hint = f"give a percentile of {least}, or clip: {{kind: absmax}}, or prune less"
        yield Fault("LS313", ("clip",), message, hint)


def _deviations(scheme: Scheme, stores: Sequence[Store]) -> Iterator[Fault]:
    """A grid that ends at k standard deviations of few weights may end before their mean."""
    clip = scheme.clip
    if clip is None or clip.k is None:
        return
    single = [store.name for store in stores if row_shape(store.shape)[1] == 1]
    if single:
        message = f"a {clip.kind} clip takes {few(single)}: rows of one element, which have no standard deviation"
        hint = "take them by an earlier rule as float16, or with clip: {kind: absmax}"
        yield Fault("LS303", ("clip",), message, hint)
    least = clip.k * clip.least_factor if clip.kind == "sensitivity_std" else clip.k
    few_elements = [store for store in stores if store.name not in single and _lost(store, scheme, least) > LOST_UNITS]
    if few_elements:
        most = min(_least_unit(store, scheme) for store in few_elements)
        message = f"{few([store.name for store in few_elements])}: a step for {most} weights, whose mean can lie more "
        message += f"than {least:g} of their standard deviations from 0, beyond the grid"
        hint = "let more weights share a step, none left over at the end of a row, or give clip: {kind: absmax}"
        yield Fault("LS303", ("clip",), message, hint)


def _lost(store: Store, scheme: Scheme, k: float) -> float:
    """Steps of a Gaussian store that are expected to have a mean beyond their grid."""
    rows, columns = row_shape(store.shape)
    whole = unit_elements(store.shape, scheme)
    rest = columns % whole if scheme.step.per == "group" else 0
    lost = steps(store.shape, scheme) * mean_beyond(whole, k)
    return lost + (rows * mean_beyond(rest, k) if rest else 0.0)


def _least_unit(store: Store, scheme: Scheme) -> int:
    """Weights of the smallest unit that has a step of its own."""
    whole = unit_elements(store.shape, scheme)
    rest = row_shape(store.shape)[1] % whole if scheme.step.per == "group" else 0
    return rest or whole


def mean_beyond(samples: int, k: float) -> float:
    """Probability that the mean of Gaussian samples lies more than k of their standard deviations from 0.

    Their direction is uniform on a sphere, and mean over deviation is the cotangent of its angle to (1, ..., 1).
    """
    if samples == 1:
        return 1.0
    end = asin(1 / sqrt(1 + k * k))
    return _integral(samples - 2, end) / _integral(samples - 2, pi / 2)


def _integral(power: int, end: float) -> float:
    """Of sin^power from 0 to `end`."""
    width = end / NODES
    return width * sum(sin((node + 0.5) * width) ** power for node in range(NODES))


def _sensitive(scheme: Scheme) -> bool:
    return scheme.clip is not None and scheme.clip.kind == "sensitivity_std"


CHECKS: tuple[Callable[[Scheme, Sequence[Store]], Iterator[Fault]], ...] = (
    _groups,
    _row_bits,
    _ranks,
    _row_settings,
    _without_effect,
    _pruned_percentiles,
    _deviations,
)
