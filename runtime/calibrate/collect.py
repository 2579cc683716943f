"""Statistics of a model's stores, each over all sites that read it in one mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...compiler.plan import Plan
from ..quantize.statistics import StoreStatistics
from ..quantize.storage import row_shape
from .errors import CalibrationError
from .evaluating import evaluating
from .moments import Moments
from .uses import Use, UseRecorder

Batch = tuple[Tensor, Tensor]
"""Tokens and targets, int64, each (sequences, length)."""
Gradients = Literal["sampled", "data", "none"]


def collect_statistics(
    plan: Plan,
    module: nn.Module,
    batches: Iterable[Batch],
    mode: str,
    *,
    gradients: Gradients = "sampled",
    stores: Collection[str] | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> dict[str, StoreStatistics]:
    """Statistics of the stores that products and lookups read in `mode`, in evaluation; the module stays as it was.

    Args:
        batches: what to run; the more sequences in one, the more memory.
        gradients: of the loss of targets that the model itself draws (`sampled`, by the calibration's seed: the Fisher
            information), of the batches' own (`data`), or `none`, which leaves `weighted` and `outputs` empty.
        stores: names to measure; None: every exported store of two or more dimensions that has such sites, and every
            one whose scheme needs statistics.
        progress: is told the tokens run so far.

    Raises:
        CalibrationError: no tokens, values that are not finite, or a store that was asked for, or whose scheme needs
            statistics, is read in another way, or by nothing in `mode`.
    """
    shapes = {store.name: row_shape(store.shape) for store in plan.exported_stores if len(store.shape) > 1}
    needed = {store.name for store in plan.exported_stores if store.scheme.calibrated}
    wanted = set(shapes) if stores is None else set(stores)
    required = needed if stores is None else wanted
    parameters = {name: value for name, value in module.named_parameters() if name in wanted | required}
    recorder = UseRecorder(parameters)
    generator = torch.Generator().manual_seed(plan.spec.quantization.calibration.seed)
    moments: dict[str, Moments] = {}
    tokens = 0
    with evaluating(module):
        for batch in batches:
            _add(_run(module, recorder, batch, mode, gradients, generator), shapes, moments)
            tokens += batch[0].numel()
            progress(tokens)
    _check(tokens, mode, required, moments, recorder.others)
    return {name: moments[name].statistics(name, tokens) for name in shapes if name in moments}


def _run(
    module: nn.Module,
    recorder: UseRecorder,
    batch: Batch,
    mode: str,
    gradients: Gradients,
    generator: torch.Generator,
) -> list[tuple[Use, Tensor | None]]:
    """The uses of one forward pass, each with the gradient of the summed loss of its output; zeros where none comes."""
    recorder.clear()
    with torch.set_grad_enabled(gradients != "none"), recorder:
        logits: Tensor = module(batch[0], mode=mode)
    uses = list(recorder.uses)
    recorder.clear()
    if gradients == "none":
        return [(use, None) for use in uses]
    flat = logits.flatten(0, 1).float()
    targets = _draw(flat.detach(), generator) if gradients == "sampled" else batch[1].flatten()
    loss = F.cross_entropy(flat, targets, reduction="sum")
    found = torch.autograd.grad(loss, [use.output for use in uses], allow_unused=True)
    return [
        (use, torch.zeros_like(use.output) if each is None else each) for use, each in zip(uses, found, strict=True)
    ]


def _draw(logits: Tensor, generator: torch.Generator) -> Tensor:
    """A token for each row of logits (n, V), drawn from its softmax; on the CPU, the same on every device."""
    return torch.multinomial(logits.cpu().softmax(dim=1), 1, generator=generator)[:, 0].to(logits.device)


def _add(
    uses: list[tuple[Use, Tensor | None]], shapes: Mapping[str, tuple[int, int]], moments: dict[str, Moments]
) -> None:
    """One batch's uses to the moments of their stores."""
    for use, gradient in uses:
        if use.store not in moments:
            moments[use.store] = Moments(*shapes[use.store], use.output.device, gradients=gradient is not None)
        flat = None if gradient is None else gradient.flatten(0, -2)
        if use.role == "product":
            moments[use.store].add_product(use.operand.flatten(0, -2), flat)
        else:
            moments[use.store].add_lookup(use.operand.flatten(), flat)
    for name, sites in Counter(use.store for use, _ in uses).items():
        moments[name].count_sites(sites)


def _check(
    tokens: int, mode: str, required: Collection[str], found: Mapping[str, Moments], others: Mapping[str, str]
) -> None:
    if not tokens:
        raise CalibrationError("calibration ran no tokens; give quantization.calibration.tokens at least one sequence")
    for name in sorted(required):
        if name in others:
            why = f"{others[name]} reads it, which is neither a product with a matrix nor a lookup"
        elif name not in found:
            why = f"nothing reads it in mode {mode}, which activity `calibrate` runs"
        else:
            continue
        raise CalibrationError(
            f"store {name}: its scheme needs statistics, but {why}; give it an integer scheme that rounds to nearest, "
            "or float16"
        )
