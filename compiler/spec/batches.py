"""How large the batches of training are from step to step, and so how many tokens each step begins after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The batch of one optimizer step: `accumulation` micro-batches of sequences of equal length."""

    sequence_length: int
    batch_tokens: int
    accumulation: int

    @property
    def sequences(self) -> int:
        """Sequences of one micro-batch, over all ranks together."""
        return self.batch_tokens // (self.sequence_length * self.accumulation)


@dataclass(frozen=True, slots=True)
class BatchPhase:
    """A shape that holds from the start or the phase before on, until so many steps or tokens; one of them is given."""

    shape: BatchShape
    steps: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class BatchSpan:
    """A shape, the step that it begins with, and the tokens trained on before that."""

    first_step: int
    first_tokens: int
    shape: BatchShape

    def steps_to(self, tokens: int) -> int:
        """The first step of this shape before which at least `tokens` were trained on."""
        return self.first_step + max(0, -(-(tokens - self.first_tokens) // self.shape.batch_tokens))


def batch_spans(phases: Sequence[BatchPhase], last: BatchShape) -> tuple[BatchSpan, ...]:
    """The spans of a schedule in order; a phase that is over before it begins makes an empty span."""
    spans = []
    span = BatchSpan(0, 0, last)
    for phase in phases:
        span = BatchSpan(span.first_step, span.first_tokens, phase.shape)
        spans.append(span)
        end = phase.steps if phase.steps is not None else span.steps_to(phase.tokens or 0)
        steps = max(end - span.first_step, 0)
        span = BatchSpan(span.first_step + steps, span.first_tokens + steps * span.shape.batch_tokens, last)
    return (*spans, span)


def span_at(spans: Sequence[BatchSpan], step: int) -> BatchSpan:
    """The span that step `step`, counted from 0, belongs to."""
    return next(span for span in reversed(spans) if span.first_step <= step)


def tokens_before(spans: Sequence[BatchSpan], step: int) -> int:
    """Tokens trained on before step `step`, counted from 0."""
    span = span_at(spans, step)
    return span.first_tokens + (step - span.first_step) * span.shape.batch_tokens


def step_at_tokens(spans: Sequence[BatchSpan], tokens: int) -> int:
    """The first step, counted from 0, before which at least `tokens` were trained on."""
    for span, following in pairwise(spans):
        if tokens <= following.first_tokens:
            return span.steps_to(tokens)
    return spans[-1].steps_to(tokens)


def build_batch_phases(plain: Sequence[dict[str, Any]], last: BatchShape) -> tuple[BatchPhase, ...]:
    """`train.batch_schedule` of a checked, default-filled document; what a phase leaves out is as in `last`."""
    return tuple(_phase(phase, last) for phase in plain)


def _phase(plain: dict[str, Any], last: BatchShape) -> BatchPhase:
    shape = BatchShape(
        plain["sequence_length"] or last.sequence_length,
        plain["batch_tokens"] or last.batch_tokens,
        plain["accumulation"] or last.accumulation,
    )
    return BatchPhase(shape, plain["until"].get("steps"), plain["until"].get("tokens"))
