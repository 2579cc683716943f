"""Shuffled batches: each window once an epoch, any split of the run gives the same sequences."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.runtime.data.errors import BatchError
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream


def numbered(count):
    """A stream in which every token tells its own position."""
    return TokenStream([np.arange(count, dtype=np.uint16)])


def sequences(loader, batches):
    """The next windows (batches * rows, length + 1)."""
    pairs = [loader.next() for _ in range(batches)]
    return np.concatenate([np.concatenate((inputs, targets[:, -1:]), axis=1) for inputs, targets in pairs])


@settings(max_examples=60)
@given(length=st.integers(1, 9), windows=st.integers(1, 30), extra=st.integers(0, 8), seed=st.integers(0, 2**31 - 1))
def test_each_window_comes_once_an_epoch_and_no_target_twice(length, windows, extra, seed):
    count = windows * length + 1 + extra % length
    loader = ShuffledBatches(numbered(count), length, 1, seed)
    for epoch in range(3):
        assert loader.passes == epoch
        taken = sequences(loader, windows)
        np.testing.assert_array_equal(np.diff(taken, axis=1) % count, 1)
        starts = np.sort(taken[:, 0])
        gaps = np.sort(np.diff(starts, append=starts[0] + count))
        assert gaps.tolist() == [*[length] * (windows - 1), count - (windows - 1) * length]
        assert len(np.unique(taken[:, 1:])) == windows * length


@settings(max_examples=60)
@given(data=st.data(), length=st.integers(1, 5), windows=st.integers(6, 25), seed=st.integers(0, 99))
def test_any_split_over_time_rows_and_ranks_gives_the_same_sequences(data, length, windows, seed):
    stream = numbered(windows * length + 1)
    total = 3 * windows
    expected = sequences(ShuffledBatches(stream, length, 1, seed), total)
    done, state = 0, None
    while done < total:
        rows = data.draw(st.integers(1, 3))
        ranks = data.draw(st.integers(1, 2))
        batches = data.draw(st.integers(1, 4))
        loaders = [ShuffledBatches(stream, length, rows, seed, rank, ranks) for rank in range(ranks)]
        for loader in loaders:
            if state is not None:
                loader.restore(state)
        for _ in range(batches):
            taken = np.concatenate([sequences(loader, 1) for loader in loaders])
            np.testing.assert_array_equal(taken[: max(total - done, 0)], expected[done : done + len(taken)])
            done += len(taken)
        state = json.loads(json.dumps(loaders[0].state()))
        assert all(loader.state() == state for loader in loaders)
        assert (state["epoch"], state["index"]) == divmod(done, windows)


def test_epochs_and_seeds_differ_in_order_and_in_borders():
    length, windows = 16, 40
    stream = numbered(length * windows + 1)
    loader = ShuffledBatches(stream, length, windows, 0)
    first, second = sequences(loader, 1), sequences(loader, 1)
    other = sequences(ShuffledBatches(stream, length, windows, 1), 1)
    assert not (np.argsort(first[:, 0]) == np.argsort(second[:, 0])).all()
    assert not (np.argsort(first[:, 0]) == np.argsort(other[:, 0])).all()
    drawn = [ShuffledBatches(stream, length, windows, seed)._drawn[0] for seed in range(100)]
    assert len(set(drawn)) > length / 2


def test_the_order_is_the_same_on_every_machine():
    """Recorded: numpy may change its shuffle between versions, and a resumed run would then see other sequences."""
    loader = ShuffledBatches(numbered(101), 10, 10, 1337)
    assert [sequences(loader, 1)[:, 0].tolist() for _ in range(2)] == [
        [85, 65, 35, 55, 25, 95, 45, 75, 15, 5],
        [82, 52, 2, 72, 42, 32, 22, 62, 12, 92],
    ]


def test_too_little_data_is_refused():
    ShuffledBatches(numbered(33), 8, 4, 0)
    message = r"needs 6 sequences \(2 x 3\), the training data has 4 of 8 tokens"
    with pytest.raises(BatchError, match=message):
        ShuffledBatches(numbered(33), 8, 3, 0, 1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stream_tokens": 40}, "has stream_tokens 40, this run has 33"),
        ({"sequence_length": 4}, "has sequence_length 4, this run has 8"),
        ({"seed": 6}, "has seed 6, this run has 5"),
        ({"epoch": -1}, "no valid epoch and index"),
        ({"index": 4}, "no valid epoch and index"),
        ({"index": None}, "no valid epoch and index"),
    ],
)
def test_a_state_of_another_run_is_refused(change, message):
    loader = ShuffledBatches(numbered(33), 8, 2, 5)
    with pytest.raises(BatchError, match=message):
        loader.restore(loader.state() | change)
    with pytest.raises(BatchError, match="has stream_tokens None, this run has 33"):
        loader.restore({"consumed": 5})
    assert loader.passes == 0
