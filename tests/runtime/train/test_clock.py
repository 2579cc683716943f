"""The training clock."""

from loopspec.runtime.train.clock import TrainingClock


def test_counts_only_while_it_runs() -> None:
    times = iter([0.0, 3.0, 10.0, 12.0, 20.0])
    clock = TrainingClock(100.0, now=lambda: next(times))
    assert clock.seconds() == 100.0
    clock.start()  # at 0
    with clock.paused():  # from 3 to 10
        assert clock.seconds() == 103.0
    assert clock.seconds() == 105.0  # at 12
    clock.stop()  # at 20
    assert clock.seconds() == 113.0
    with clock.paused():
        pass
    assert clock.seconds() == 113.0
