"""Shuffled and coprime batches: each window once an epoch, any split of the run gives the same sequences."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.coprime_batches import CoprimeBatches, draw_stride, nearest_neighbour
from loopspec.runtime.data.errors import BatchError
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream

ORDERS = [ShuffledBatches, CoprimeBatches]
ANY_ORDER = st.sampled_from(ORDERS)


def numbered(count):
    """A stream in which every token tells its own position."""
    return TokenStream([np.arange(count, dtype=np.uint16)])


def joined(pair):
    """Inputs and targets as spans (rows, length + 1)."""
    return np.concatenate((pair[0], pair[1][:, -1:]), axis=1)


@examples(30)
@given(
    order=ANY_ORDER,
    length=st.integers(1, 9),
    windows=st.integers(1, 30),
    extra=st.integers(0, 8),
    seed=st.integers(0, 2**31 - 1),
)
def test_each_window_comes_once_an_epoch_and_no_target_twice(order, length, windows, extra, seed):
    count = windows * length + 1 + extra % length
    loader = order(numbered(count), length, seed)
    for epoch in range(3):
        assert loader.passes == epoch
        taken = np.concatenate([joined(loader.take(1, length)) for _ in range(windows)])
        np.testing.assert_array_equal(np.diff(taken, axis=1) % count, 1)
        starts = np.sort(taken[:, 0])
        gaps = np.sort(np.diff(starts, append=starts[0] + count))
        assert gaps.tolist() == [*[length] * (windows - 1), count - (windows - 1) * length]
        assert len(np.unique(taken[:, 1:])) == windows * length


@examples(30)
@given(data=st.data(), order=ANY_ORDER, windows=st.integers(6, 25), seed=st.integers(0, 99))
def test_any_split_over_time_batches_and_ranks_gives_the_same_targets(data, order, windows, seed):
    """One window of 12 after the other, against pieces of 12, 6, 4, ... resumed after every batch."""
    stream = numbered(windows * 12 + 1)
    whole = order(stream, 12, seed)
    expected = np.concatenate([whole.take(1, 12)[1].ravel() for _ in range(3 * windows)])
    state, place = None, 0
    while place < 2 * windows * 12:
        lengths = [length for length in (1, 2, 3, 4, 6, 12) if place % length == 0]
        length = data.draw(st.sampled_from(lengths))
        ranks, rows = data.draw(st.sampled_from([(1, 1), (1, 3), (2, 1), (2, 3)]))
        parts = []
        for rank in range(ranks):
            loader = order(stream, 12, seed)
            if state is not None:
                loader.restore(state)
            parts.append(loader.take(rows * ranks, length, slice(rank * rows, (rank + 1) * rows))[1])
        taken = np.concatenate(parts).ravel()
        np.testing.assert_array_equal(taken, expected[place : place + len(taken)])
        place += len(taken)
        state = json.loads(json.dumps(loader.state()))
        assert state[f"{order.NAME}_place"] == place and state["left_out"] == 0


@pytest.mark.parametrize("order", ORDERS)
def test_longer_sequences_in_the_middle_of_a_window_leave_out_a_counted_rest(order):
    loader, whole = order(numbered(81), 8, 3), order(numbered(81), 8, 3)
    windows = [joined(whole.take(1, 8))[0] for _ in range(3)]
    np.testing.assert_array_equal(joined(loader.take(3, 2))[:, 0], windows[0][[0, 2, 4]])
    np.testing.assert_array_equal(joined(loader.take(1, 8))[0], windows[1])
    assert loader.left_out == 2
    np.testing.assert_array_equal(joined(loader.take(1, 4))[0], windows[2][:5])
    assert loader.left_out == 2 and loader.state()[f"{order.NAME}_place"] == 20


@pytest.mark.parametrize("order", ORDERS)
def test_epochs_and_seeds_differ_in_order_and_in_borders(order):
    length, windows = 16, 40
    stream = numbered(length * windows + 1)
    loader = order(stream, length, 0)
    first, second, other = (each.take(windows, length)[0][:, 0] for each in (loader, loader, order(stream, length, 1)))
    assert not (np.argsort(first) == np.argsort(second)).all()
    assert not (np.argsort(first) == np.argsort(other)).all()
    borders = {int(order(stream, length, seed).take(1, length)[0][0, 0]) % length for seed in range(100)}
    assert len(borders) > length / 2


@pytest.mark.parametrize(
    ("order", "starts"),
    [
        (
            ShuffledBatches,
            [[85, 65, 35, 55, 25, 95, 45, 75, 15, 5], [82, 52, 2, 72, 42, 32, 22, 62, 12, 92]],
        ),
        (CoprimeBatches, [[85, 55, 25, 95, 65, 35, 5, 75, 45, 15], [92, 82, 72, 62, 52, 42, 32, 22, 12, 2]]),
    ],
)
def test_the_order_is_the_same_on_every_machine(order, starts):
    """Recorded: numpy may change its draws between versions, and a resumed run would then see other sequences."""
    loader = order(numbered(101), 10, 1337)
    assert [loader.take(10, 10)[0][:, 0].tolist() for _ in range(2)] == starts


@examples(40)
@given(windows=st.integers(1, 10**7), seed=st.integers(0, 1000))
def test_a_stride_is_coprime_and_keeps_the_sequences_of_a_batch_apart(windows, seed):
    stride = draw_stride(np.random.Generator(np.random.PCG64(seed)), windows)
    assert math.gcd(stride, windows) == 1
    if windows > 10_000:
        assert nearest_neighbour(stride, windows) > windows / 64 / 8


def test_the_nearest_neighbour_of_a_stride():
    assert nearest_neighbour(1, 100) == 1
    assert nearest_neighbour(34, 101) == 1  # 34 * 3 = 102
    assert nearest_neighbour(500_001, 10**6) == 2  # every second visit


@pytest.mark.parametrize("order", ORDERS)
def test_shapes_that_cannot_be_taken_are_refused(order):
    loader = order(numbered(33), 8, 0)
    loader.check(4, 8)
    loader.check(8, 4)
    for refused in (loader.check, loader.take):
        with pytest.raises(BatchError, match=r"needs 5 sequences, the training data has 4 of 8 tokens"):
            refused(5, 8)
        with pytest.raises(BatchError, match=rf"order {order.NAME} cuts windows of 8 tokens, which sequences of 3 do"):
            refused(1, 3)
    with pytest.raises(BatchError, match=r"needs 1 sequences, the training data has 0 of 64"):
        order(numbered(33), 64, 0).check(1, 64)
    assert loader.passes == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stream_tokens": 40}, "has stream_tokens 40, this run has 33"),
        ({"stream_hash": 40}, "has stream_hash 40, this run has"),
        ({"window_length": 4}, "has window_length 4, this run has 8"),
        ({"seed": 6}, "has seed 6, this run has 5"),
        ({"shuffled_place": -1}, "no valid 'shuffled_place'"),
        ({"left_out": None}, "no valid 'left_out'"),
    ],
)
def test_a_state_of_another_run_is_refused(change, message):
    loader = ShuffledBatches(numbered(33), 8, 5)
    with pytest.raises(BatchError, match=message):
        loader.restore(loader.state() | change)
    with pytest.raises(BatchError, match="no valid 'shuffled_place'"):
        loader.restore(CoprimeBatches(numbered(33), 8, 5).state())
    assert loader.passes == 0
