"""Training batches: the challenge's loader to the token, resumable anywhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.errors import BatchError
from loopspec.runtime.data.shards import expand_shards, read_shard
from loopspec.runtime.data.token_stream import TokenStream

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "bpb_eval_loader.npz")


@pytest.mark.parametrize(("world_size", "rank"), [(1, 0), (2, 0), (2, 1)])
def test_batches_are_the_challenges(world_size, rank):
    stream = TokenStream([read_shard(path, 400) for path in expand_shards(str(GOLDEN / "shard_s_*.bin"))])
    batches = ContiguousBatches(stream, 16, 2, rank, world_size)
    for index in range(5):
        inputs, targets = batches.next()
        np.testing.assert_array_equal(inputs, ARRAYS[f"loader.ws{world_size}.rank{rank}.batch{index}.x"])
        np.testing.assert_array_equal(targets, ARRAYS[f"loader.ws{world_size}.rank{rank}.batch{index}.y"])
    assert batches.passes > 1, "the golden batches wrap"


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 7), st.integers(0, 40))
def test_ranks_share_the_stream_and_a_resumed_loader_goes_on_to_the_token(length, rows, world_size, done, extra):
    span = length * rows + 1
    stream = TokenStream([np.arange(span * world_size + extra, dtype=np.uint16)])
    loaders = [ContiguousBatches(stream, length, rows, rank, world_size) for rank in range(world_size)]
    for _ in range(done):
        for loader in loaders:
            loader.next()
    state = json.loads(json.dumps(loaders[0].state()))
    position = done * span * world_size
    for rank, loader in enumerate(loaders):
        resumed = ContiguousBatches(stream, length, rows, rank, world_size)
        resumed.restore(state)
        inputs, targets = loader.next()
        np.testing.assert_array_equal(np.stack(resumed.next()), np.stack((inputs, targets)))
        assert inputs.shape == targets.shape == (rows, length)
        expected = stream.read(position + rank * span, span)
        np.testing.assert_array_equal(np.append(inputs.ravel(), targets[-1, -1]), expected)
        np.testing.assert_array_equal(targets.ravel(), expected[1:])
        assert resumed.state() == loader.state()


def test_too_little_data_is_refused():
    stream = TokenStream([np.zeros(17, np.uint16)])
    ContiguousBatches(stream, 8, 2)
    message = r"needs 34 tokens \(2 x \(2 sequences x 8 \+ 1\)\), the training data has 17"
    with pytest.raises(BatchError, match=message):
        ContiguousBatches(stream, 8, 2, 0, 2)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"consumed": 5, "stream_tokens": 18}, "training data of 18 tokens, this run has 17"),
        ({"stream_tokens": 17}, "no valid 'consumed'"),
        ({"consumed": -1, "stream_tokens": 17}, "no valid 'consumed'"),
    ],
)
def test_a_state_of_other_data_is_refused(state, message):
    batches = ContiguousBatches(TokenStream([np.zeros(17, np.uint16)]), 8, 2)
    with pytest.raises(BatchError, match=message):
        batches.restore(state)
    assert batches.consumed == 0
