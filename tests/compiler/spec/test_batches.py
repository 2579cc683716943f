"""Batches that change over training, against a plain walk over the steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.spec.batches import (
    BatchPhase,
    BatchShape,
    BatchSpan,
    batch_spans,
    build_batch_phases,
    span_at,
    step_at_tokens,
    tokens_before,
)

SMALL, LARGE = BatchShape(8, 16, 1), BatchShape(16, 64, 2)


def test_sequences_are_those_of_a_micro_batch() -> None:
    assert (SMALL.sequences, LARGE.sequences) == (2, 2)


def test_spans_begin_where_the_phase_before_ends() -> None:
    phases = (BatchPhase(SMALL, steps=10), BatchPhase(LARGE, tokens=161 + 64))
    assert batch_spans(phases, SMALL) == (
        BatchSpan(0, 0, SMALL),
        BatchSpan(10, 160, LARGE),
        BatchSpan(12, 160 + 128, SMALL),  # at 224 tokens it is not over yet
    )
    assert batch_spans((), LARGE) == (BatchSpan(0, 0, LARGE),)


def test_what_a_phase_leaves_out_is_as_at_the_end() -> None:
    empty = {"sequence_length": None, "batch_tokens": None, "accumulation": None}
    plain = [
        {**empty, "until": {"steps": 3}, "sequence_length": 4},
        {**empty, "until": {"tokens": 900}, "batch_tokens": 128, "accumulation": 4},
    ]
    assert build_batch_phases(plain, LARGE) == (
        BatchPhase(BatchShape(4, 64, 2), steps=3),
        BatchPhase(BatchShape(16, 128, 4), tokens=900),
    )


SHAPES = st.builds(BatchShape, st.just(2), st.integers(1, 40), st.just(1))
PHASES = st.one_of(
    st.builds(BatchPhase, SHAPES, steps=st.integers(1, 40)), st.builds(BatchPhase, SHAPES, tokens=st.integers(1, 800))
)


def walk(phases: list[BatchPhase], last: BatchShape, steps: int) -> list[tuple[BatchShape, int]]:
    """Each step's shape and the tokens before it: a phase is left for good when its end has come."""
    walked, tokens, index = [], 0, 0
    for step in range(steps):
        while index < len(phases):
            phase = phases[index]
            over = step >= phase.steps if phase.steps is not None else tokens >= (phase.tokens or 0)
            if not over:
                break
            index += 1
        shape = phases[index].shape if index < len(phases) else last
        walked.append((shape, tokens))
        tokens += shape.batch_tokens
    return walked


@examples(200)
@given(phases=st.lists(PHASES, max_size=5), last=SHAPES, tokens=st.integers(0, 2000))
def test_every_step_has_the_shape_and_the_tokens_of_the_walk(
    phases: list[BatchPhase], last: BatchShape, tokens: int
) -> None:
    spans = batch_spans(phases, last)
    walked = walk(phases, last, 60)
    for step, (shape, before) in enumerate(walked):
        assert span_at(spans, step).shape == shape
        assert tokens_before(spans, step) == before
    found = step_at_tokens(spans, tokens)
    reached = [step for step, (_, before) in enumerate(walked) if before >= tokens]
    assert found == reached[0] if reached else found >= 60


@pytest.mark.parametrize("tokens", [0, 1, 16, 17, 160, 161, 288, 289])
def test_no_step_too_early_and_none_too_late(tokens: int) -> None:
    spans = batch_spans((BatchPhase(SMALL, steps=10), BatchPhase(LARGE, tokens=225)), SMALL)
    step = step_at_tokens(spans, tokens)
    assert tokens_before(spans, step) >= tokens
    assert step == 0 or tokens_before(spans, step - 1) < tokens
