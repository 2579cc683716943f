"""Steps of integer grids on the training device; the same bits as those of the exporter's `steps` and `limits`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...compiler.spec.quantization import Clip, Scheme, Step
from .percentile_search import SAME
from .quantile import place_of
from .steps import SMALLEST


def device_steps(blocks: Sequence[Tensor], scheme: Scheme, levels: int) -> list[Tensor]:
    """Exact steps (units, 1) of each block (units, width), before they are stored."""
    if scheme.kind != "integer":
        limits = [block.abs().mean(dim=1, keepdim=True, dtype=torch.float64).float() for block in blocks]
    elif scheme.clip is not None and scheme.clip.kind == "percentile_search":
        return _searched(blocks, scheme.clip, scheme.step, levels)
    else:
        assert scheme.clip is not None
        limits = [device_limits(block, scheme.clip) for block in blocks]
    return [_exact(limit, block, scheme.step, levels) for limit, block in zip(limits, blocks, strict=True)]


def device_limits(block: Tensor, clip: Clip) -> Tensor:
    """(units, 1): where each unit's grid ends."""
    return LIMITS[clip.kind](block, clip)


def stored(exact: Tensor, step: Step) -> Tensor:
    """Steps rounded to the dtype they are stored in, as float32."""
    if step.dtype == "float32":
        return exact
    return torch.where(exact == 0, exact, exact.half().float().clamp_min(float(SMALLEST["float16"])))


def used(exact: Tensor, step: Step) -> Tensor:
    """The steps that weights are divided by."""
    return exact if step.rounds_with == "exact" else stored(exact, step)


def nearest(values: Tensor, steps: Tensor, levels: int) -> Tensor:
    """Codes, float32 without negative zeros; `values` (units, width), `steps` (units, 1)."""
    return (values / torch.where(steps == 0, 1.0, steps)).round().clamp(-levels, levels) + 0.0


def quantiles(magnitudes: Tensor, shares: Sequence[float]) -> list[Tensor]:
    """(units, 1) for each share, of (units, width); see `quantile`."""
    width = magnitudes.shape[1]
    places = [place_of(share, width) for share in shares]
    falling = magnitudes.topk(width - min(below for below, _, _ in places), dim=1).values
    return [
        _interpolated(falling[:, width - 1 - below, None], falling[:, width - 1 - above, None], weight)
        for below, above, weight in places
    ]


def _interpolated(low: Tensor, high: Tensor, weight: float) -> Tensor:
    factor, start = (weight, low) if weight < 0.5 else (float(torch.tensor(weight) - 1), high)
    return (factor * (high - low).double() + start).float()


def _exact(limits: Tensor, block: Tensor, step: Step, levels: int) -> Tensor:
    smallest = torch.where(block.any(dim=1, keepdim=True), float(SMALLEST["float32"]), 0.0)
    return torch.maximum((limits / levels).clamp_min(step.floor), smallest)


def _searched(blocks: Sequence[Tensor], clip: Clip, step: Step, levels: int) -> list[Tensor]:
    tried = [
        [_exact(limit, block, step, levels) for limit in quantiles(block.abs(), clip.percentiles)] for block in blocks
    ]
    errors = [
        [_squared_errors(block, exact, step, levels) for exact in of] for block, of in zip(blocks, tried, strict=True)
    ]
    if clip.choose == "store":
        totals = [torch.stack([error.sum() for error in each]).sum() for each in zip(*errors, strict=True)]
        errors = [[total.expand_as(of[0]) for total in totals] for of in errors]
    return [_first_least(exacts, of) for exacts, of in zip(tried, errors, strict=True)]


def _squared_errors(block: Tensor, exact: Tensor, step: Step, levels: int) -> Tensor:
    """float64 (units, 1)."""
    steps = used(exact, step)
    return (block - nearest(block, steps, levels) * steps).double().square().sum(dim=1, keepdim=True)


def _first_least(tried: Sequence[Tensor], errors: Sequence[Tensor]) -> Tensor:
    """Of steps tried (units, 1) those of the least error; of equal ones the first."""
    chosen, best = tried[0], errors[0]
    for exact, error in zip(tried[1:], errors[1:], strict=True):
        better = error < best * SAME
        chosen, best = torch.where(better, exact, chosen), torch.where(better, error, best)
    return chosen


def _absmax(block: Tensor, clip: Clip) -> Tensor:
    return block.abs().amax(dim=1, keepdim=True)


def _std(block: Tensor, clip: Clip) -> Tensor:
    assert clip.k is not None
    return (clip.k * block.double().std(dim=1, correction=0, keepdim=True)).float()


def _percentile(block: Tensor, clip: Clip) -> Tensor:
    assert clip.percentile is not None
    return quantiles(block.abs(), [clip.percentile])[0]


LIMITS: dict[str, Callable[[Tensor, Clip], Tensor]] = {"absmax": _absmax, "std": _std, "percentile": _percentile}
