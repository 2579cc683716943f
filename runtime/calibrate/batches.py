"""What calibration runs on: training tokens, or text that the model samples itself. Never validation tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

from ...compiler.plan import Plan
from ..data.token_stream import TokenStream
from .collect import Batch
from .errors import CalibrationError
from .evaluating import evaluating

TOKENS_A_BATCH = 2048
"""Bounds the memory of a batch, whose activations and gradients are all kept until the statistics have taken them."""


def training_batches(plan: Plan, tokens: TokenStream) -> Iterator[Batch]:
    """Sequences of the training stream, each from a place drawn by the calibration's seed, evenly and with replacement.

    As many sequences of `train.sequence_length` as hold quantization.calibration.tokens; tokens and targets int64.

    Raises:
        CalibrationError: the stream is shorter than a sequence and its last target.
    """
    length = plan.spec.train.sequence_length
    starts = len(tokens) - length
    if starts < 1:
        raise CalibrationError(
            f"a calibration sequence of {length} needs {length + 1} training tokens, the data has {len(tokens)}; "
            "use a smaller train.sequence_length, or more data"
        )
    generator = np.random.default_rng(plan.spec.quantization.calibration.seed)
    for count in _batch_sizes(plan, length):
        rows = [tokens.read(int(start), length + 1) for start in generator.integers(0, starts, count)]
        yield _inputs_and_targets(torch.from_numpy(np.stack(rows)))


def sampled_batches(
    plan: Plan,
    module: nn.Module,
    mode: str,
    boundary: int | None = None,
    progress: Callable[[int], None] = lambda tokens: None,
) -> Iterator[Batch]:
    """As `training_batches`, of text that the module samples in `mode`, token by token from its softmax.

    A sequence starts with the token `boundary`, or with any of the vocabulary where there is none. Each token runs the
    whole sequence so far: half of length^2 tokens a sequence.

    Args:
        progress: is told the tokens sampled so far.

    Raises:
        CalibrationError: a probability is not finite.
    """
    model, length = plan.spec.architecture.model, plan.spec.train.sequence_length
    generator = torch.Generator().manual_seed(plan.spec.quantization.calibration.seed)
    done = 0
    for count in _batch_sizes(plan, length):
        text = torch.full((count, 1), 0 if boundary is None else boundary)
        if boundary is None:
            text.random_(model.vocab_size, generator=generator)
        with evaluating(module), torch.no_grad():
            for _ in range(length):
                text = torch.cat((text, _next(module, mode, text, generator)), dim=1)
                progress(done := done + count)
        yield _inputs_and_targets(text)


def _batch_sizes(plan: Plan, length: int) -> Iterator[int]:
    """Sequences of each batch."""
    left = ceil(plan.spec.quantization.calibration.tokens / length)
    size = max(1, TOKENS_A_BATCH // length)
    while left > 0:
        yield min(size, left)
        left -= size


def _next(module: nn.Module, mode: str, text: Tensor, generator: torch.Generator) -> Tensor:
    """A next token for each row of text (B, T): (B, 1); drawn on the CPU, the same on every device."""
    logits: Tensor = module(text.to(next(module.parameters()).device), mode=mode)[:, -1].float().cpu()
    if not bool(torch.isfinite(logits).all()):
        raise CalibrationError("the model's logits are not finite; the run diverged, pack an earlier checkpoint")
    return torch.multinomial(logits.softmax(dim=1), 1, generator=generator)


def _inputs_and_targets(sequences: Tensor) -> Batch:
    """Tokens and targets (n, length) of sequences (n, length + 1)."""
    return sequences[:, :-1].contiguous(), sequences[:, 1:].contiguous()
