"""Contiguous batches: the challenge's loader to the token, resumable anywhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.errors import BatchError
from loopspec.runtime.data.shards import expand_shards, read_shard
from loopspec.runtime.data.token_stream import TokenStream

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "bpb_eval_loader.npz")
SHAPES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=8)


def numbered(count):
    return TokenStream([np.arange(count, dtype=np.uint16)])


@pytest.mark.parametrize("world_size", [1, 2])
def test_batches_are_the_challenges(world_size):
    stream = TokenStream([read_shard(path, 400) for path in expand_shards(str(GOLDEN / "shard_s_*.bin"))])
    batches = ContiguousBatches(stream)
    for index in range(5):
        for rank in range(world_size):
            inputs, targets = batches.take(2, 16)
            np.testing.assert_array_equal(inputs, ARRAYS[f"loader.ws{world_size}.rank{rank}.batch{index}.x"])
            np.testing.assert_array_equal(targets, ARRAYS[f"loader.ws{world_size}.rank{rank}.batch{index}.y"])
    assert batches.passes > 1, "the golden batches wrap"


@examples(50)
@given(before=SHAPES, after=SHAPES, extra=st.integers(0, 40))
def test_a_resumed_loader_goes_on_to_the_token(before, after, extra):
    stream = numbered(25 + extra)
    loader, resumed = ContiguousBatches(stream), ContiguousBatches(stream)
    position = 0
    for sequences, length in before:
        inputs, targets = loader.take(sequences, length)
        assert inputs.shape == targets.shape == (sequences, length)
        expected = stream.read(position, sequences * length + 1)
        np.testing.assert_array_equal(np.append(inputs.ravel(), targets[-1, -1]), expected)
        np.testing.assert_array_equal(targets.ravel(), expected[1:])
        position += sequences * length + 1
    assert loader.consumed == position
    resumed.restore(json.loads(json.dumps(loader.state())))
    for shape in after:
        np.testing.assert_array_equal(np.stack(resumed.take(*shape)), np.stack(loader.take(*shape)))
    assert resumed.state() == loader.state()


@examples(30)
@given(length=st.integers(1, 5), per_rank=st.integers(1, 3), ranks=st.integers(1, 4), batches=st.integers(1, 5))
def test_rows_of_all_ranks_together_are_the_whole_batch(length, per_rank, ranks, batches):
    stream = numbered(70)
    loaders = [ContiguousBatches(stream) for _ in range(ranks)]
    whole = ContiguousBatches(stream)
    for _ in range(batches):
        parts = [
            np.stack(loader.take(per_rank * ranks, length, slice(rank * per_rank, (rank + 1) * per_rank)))
            for rank, loader in enumerate(loaders)
        ]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), np.stack(whole.take(per_rank * ranks, length)))
    assert all(loader.state() == whole.state() for loader in loaders)


def test_too_little_data_is_refused():
    loader = ContiguousBatches(numbered(17))
    loader.check(2, 8)
    message = r"needs 33 tokens \(4 sequences x 8 \+ 1\), the training data has 17"
    for refused in (loader.check, loader.take):
        with pytest.raises(BatchError, match=message):
            refused(4, 8)
    assert loader.consumed == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stream_tokens": 18}, "stream_tokens 18, this run has 17"),
        ({"stream_hash": 3}, "stream_hash 3, this run has"),
        ({"consumed": None}, "no valid 'consumed'"),
        ({"consumed": True}, "no valid 'consumed'"),
        ({"consumed": -1}, "no valid 'consumed'"),
    ],
)
def test_a_state_of_other_data_is_refused(change, message):
    batches = ContiguousBatches(numbered(17))
    with pytest.raises(BatchError, match=message):
        batches.restore(batches.state() | change)
    assert batches.consumed == 0


def test_other_data_of_the_same_length_is_refused():
    other = ContiguousBatches(TokenStream([np.arange(17, dtype=np.uint16)[::-1]]))
    with pytest.raises(BatchError, match="stream_hash"):
        other.restore(ContiguousBatches(numbered(17)).state())
