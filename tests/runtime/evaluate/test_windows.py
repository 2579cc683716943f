"""Sliding windows: every target once, with as much context as there is."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.evaluate.windows import Window, sliding_windows

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "bpb_eval_loader.json").read_text())["results"]
TARGETS = 1344


@given(st.integers(0, 200), st.integers(1, 40), st.data())
def test_every_target_is_scored_exactly_once(targets, length, data):
    stride = data.draw(st.integers(1, length))
    windows = sliding_windows(targets, length, stride)
    scored = Counter(
        position
        for window in windows
        for position in range(window.start + window.score_from, window.start + window.length)
    )
    assert scored == Counter(range(targets))
    assert sum(window.scored for window in windows) == targets
    assert {window.length for window in windows} <= {min(length, targets)}
    assert all(window.scored <= stride for window in windows[1:])
    assert [window.start for window in windows[:-1]] == list(range(0, stride * (len(windows) - 1), stride))


def test_windows_by_example():
    assert sliding_windows(11, 4, 3) == [Window(0, 4, 0), Window(3, 4, 1), Window(6, 4, 1), Window(7, 4, 3)]
    assert sliding_windows(3, 4, 2) == [Window(0, 3, 0)]
    assert sliding_windows(0, 4, 2) == []


@pytest.mark.parametrize("stride", [5, 8, 32])
def test_full_windows_are_the_published_scripts_and_only_the_tail_differs(stride):
    golden = GOLDEN[f"sliding_stride{stride}"]
    windows = [[window.start, window.length, window.score_from] for window in sliding_windows(TARGETS, 32, stride)]
    assert windows[:3] == golden["first_windows"]
    shared = [window for window in golden["last_windows"] if window[1] == 32]
    assert all(window in windows for window in shared)
    scored = sum(length - score_from for _, length, score_from in windows)
    # The scripts go on with short windows that score the last `stride` targets anew, 32 - stride in all.
    again = golden["scored_tokens"] - scored
    assert (scored, again) == (TARGETS, 32 - stride)


def test_window_count_is_that_of_a_script_that_scores_full_windows_only():
    golden = GOLDEN["exp167_sliding_stride8"]
    windows = sliding_windows(TARGETS, 32, 8)
    assert (len(windows), sum(window.scored for window in windows)) == (golden["n_windows"], golden["scored_tokens"])


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (4, 0), (4, 5), (4, -1)])
def test_impossible_windows_are_refused(length, stride):
    with pytest.raises(ValueError, match="stride <= length is needed"):
        sliding_windows(10, length, stride)
