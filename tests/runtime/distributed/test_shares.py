"""Which sequences each process takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.world import Share, World


def shares(size: int, sequences: int, accumulation: int) -> list[list[Share]]:
    """By rank."""
    found = []
    for rank in range(size):
        world = World()
        world.size, world.rank = size, rank
        found.append(world.shares(sequences, accumulation))
    return found


@given(st.integers(1, 16), st.integers(1, 24), st.integers(1, 12))
def test_every_sequence_is_taken_once_and_all_take_as_many(size: int, sequences: int, accumulation: int) -> None:
    try:
        found = shares(size, sequences, accumulation)
    except TrainingError as error:
        assert (sequences * accumulation) % size or "would share each micro-batch" in str(error)
        return
    for number in range(accumulation):
        taken = [row for rank in found for row in range(sequences)[rank[number].rows] if rank[number].sequences]
        assert sorted(taken) == list(range(sequences))
    loads = {sum(share.sequences for share in rank) for rank in found}
    assert loads == {sequences * accumulation // size}


def test_a_process_alone_takes_all() -> None:
    assert shares(1, 4, 2) == [[Share(slice(0, 4), 4)] * 2]


def test_what_does_not_divide_is_an_error() -> None:
    with pytest.raises(TrainingError, match="3 processes, 2 micro-batches of 4 sequences a step"):
        shares(3, 4, 2)
