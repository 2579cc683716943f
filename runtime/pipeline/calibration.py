"""The calibration phase: what the schemes need to know of the trained model, measured on its training tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from ...compiler.emit.loader import build_module
from ...compiler.plan import Plan
from ..calibrate import collect_statistics
from ..calibrate.batches import sampled_batches, training_batches
from ..data.token_source import TokenData
from ..quantize.statistics import StoreStatistics
from .scoring import load_weights

Progress = Callable[[int, int], None]


def calibrated_stores(plan: Plan) -> list[str]:
    """Names of the stores whose schemes need calibration."""
    return [store.name for store in plan.exported_stores if store.scheme.calibrated]


def calibrate(
    plan: Plan,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
    data: TokenData,
    progress: Progress,
    *,
    everything: bool = False,
    device: str = "cpu",
) -> dict[str, StoreStatistics]:
    """Statistics of the stores that need them, in float32, in the mode of the activity `calibrate`.

    Args:
        progress: is told tokens run and in all.
        everything: of every matrix that products or lookups read.

    Raises:
        CalibrationError: a store that no product or lookup reads in that mode, or values that are not finite.
    """
    module = build_module(plan).to(device)
    load_weights(plan, module, weights, states)
    settings = plan.spec.quantization.calibration
    mode = plan.spec.activities["calibrate"]
    sampled = settings.source == "model"
    drawn = sampled_batches(plan, module, mode) if sampled else training_batches(plan, data.train)
    batches = ((tokens.to(device), targets.to(device)) for tokens, targets in drawn)
    names = None if everything else calibrated_stores(plan)
    return collect_statistics(
        plan, module, batches, mode, stores=names, progress=lambda tokens: progress(tokens, settings.tokens)
    )
