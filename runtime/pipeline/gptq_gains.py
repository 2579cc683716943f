"""Whether GPTQ beat rounding to nearest on its own objective, store by store: where it did not, a pack says so."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from torch import Tensor

from ...compiler.plan import Plan
from ...compiler.source.wording import few
from ..artifact import ArtifactContents
from ..quantize import decode
from ..quantize.report import gptq_gain
from ..quantize.statistics import StoreStatistics


def gptq_gains(
    plan: Plan, weights: Mapping[str, Tensor], contents: ArtifactContents, statistics: Mapping[str, StoreStatistics]
) -> dict[str, float]:
    """By store whose scheme rounds by GPTQ: the share by which its objective is below that of rounding to nearest."""
    gains = {}
    for store in plan.exported_stores:
        if store.scheme.gptq is not None:
            array = weights[store.name].detach().float().cpu().numpy()
            decoded = decode(contents.stores[store.name])
            gain = gptq_gain(array, decoded, store.scheme, statistics[store.name])
            assert gain is not None
            gains[store.name] = gain
    return gains


def gains_text(gains: Mapping[str, float]) -> str:
    """One line for people."""
    lost = [name for name, gain in gains.items() if gain < 0]
    text = f"GPTQ on {len(gains)} stores: its objective is {median(gains.values()):.1%} (median) below that of rounding"
    return text + (f"; it LOST to rounding on {few(lost)}" if lost else "")
