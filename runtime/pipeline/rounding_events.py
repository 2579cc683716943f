"""What rounding to fixed grids did that a user should know of, counted over the stores of a pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from torch import Tensor

from ...compiler.plan import Plan
from ...compiler.source.wording import few
from ..artifact import ArtifactContents
from ..quantize import StoreReport, report_store
from ..quantize.statistics import StoreStatistics


def store_reports(
    plan: Plan, weights: Mapping[str, Tensor], contents: ArtifactContents, statistics: Mapping[str, StoreStatistics]
) -> list[StoreReport]:
    """Of each store on a fixed grid; those of rate_distortion have the line of their allocation."""
    return [
        report_store(
            weights[store.name].detach().float().cpu().numpy(),
            contents.stores[store.name],
            store.scheme,
            statistics.get(store.name) if store.scheme.calibrated else None,
        )
        for store in plan.exported_stores
        if store.scheme.coded and store.scheme.kind != "rate_distortion"
    ]


def event_lines(reports: Sequence[StoreReport]) -> list[str]:
    """One line for each kind of event that there is: clipped weights, units of zeros, coarse steps, and GPTQ's gain."""
    clipped = sum(report.codes.clamped for report in reports if _clips(report))
    lines = [f"{clipped:,} weights are at the ends of their grids"] if clipped else []
    empty = [report.name for report in reports if report.codes.zero_units]
    if empty:
        units = sum(report.codes.zero_units for report in reports)
        lines.append(f"{units:,} rows, groups or stores hold only zeros: {few(empty)}")
    coarse = [report.name for report in reports if report.codes.coarse_steps]
    if coarse:
        steps = sum(report.codes.coarse_steps for report in reports)
        lines.append(f"{steps:,} steps are below float16's normal range and lose digits: {few(coarse)}")
    gains = {report.name: report.gptq_gain for report in reports if report.gptq_gain is not None}
    return lines + ([gains_text(gains)] if gains else [])


def gains_text(gains: Mapping[str, float]) -> str:
    """How far GPTQ is below rounding to nearest on its own objective, and where it is not."""
    lost = [name for name, gain in gains.items() if gain < 0]
    text = f"GPTQ on {len(gains)} stores: its objective is {median(gains.values()):.1%} (median) below that of rounding"
    return text + (f"; it LOST to rounding on {few(lost)}" if lost else "")


def _clips(report: StoreReport) -> bool:
    """Whether a weight at the end of the grid may have lain beyond; under absmax each row has one there."""
    return report.scheme.clip is not None and report.scheme.clip.kind != "absmax"
