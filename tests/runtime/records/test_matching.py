"""Points that all runs have reached, and the last record at or before each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.records.matching import common_points, train_cell
from loopspec.runtime.records.readings import Position, TrainReading

POSITIONS = st.lists(st.integers(1, 200), min_size=1, max_size=40, unique=True).map(sorted)


@given(st.lists(POSITIONS, min_size=2, max_size=4), st.integers(1, 12))
def test_points_lie_within_every_run_and_are_records_of_one(runs, count):
    points = common_points(runs, count)
    assert 1 <= len(points) <= count and points == sorted(set(points))
    assert points[-1] <= min(run[-1] for run in runs)
    assert any(set(points) <= set(run) for run in runs)


def test_points_of_equal_runs_end_at_their_last_record():
    run = list(range(1, 101))
    assert common_points([run, run], 4) == [25, 50, 75, 100]
    assert common_points([run, [10, 90, 200]], 5) == [10, 90]


@given(POSITIONS, st.integers(1, 200), st.integers(1, 50))
def test_a_cell_is_the_mean_of_the_records_that_end_at_or_before(at, point, window):
    readings = [TrainReading(Position(step), float(step), None, None) for step in at]
    before = [float(step) for step in at if step <= point][-window:]
    cell = train_cell(readings, at, point, window)
    if not before:
        assert cell is None
    else:
        assert cell is not None and cell.records == len(before)
        assert cell.position.steps == before[-1] and cell.loss == sum(before) / len(before)
