"""When something starts, and how often it comes, against a plain walk over the steps."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.compiler.spec.averaging import first_step, quantization_aware_steps
from loopspec.compiler.spec.schedule import lr_scale
from loopspec.compiler.spec.train import QuantizationAware, Schedule, Start, Stop, Train

STARTS = st.builds(
    Start,
    lr_scale=st.none() | st.floats(0.01, 1.0),
    step=st.none() | st.integers(0, 60),
    fraction=st.none() | st.integers(0, 100).map(lambda percent: percent / 100),
)


def walked(start: Start, schedule: Schedule, total: int) -> int | None:
    for step in range(total):
        low = start.lr_scale is None or (
            step >= schedule.warmup_steps and lr_scale(schedule, total, step) < start.lr_scale
        )
        late = step >= (start.step or 0) and 100 * step >= round(100 * (start.fraction or 0)) * total
        if low and late:
            return step
    return None


@settings(max_examples=300, deadline=None)
@given(start=STARTS, up=st.integers(0, 20), down=st.integers(0, 50), floor=st.floats(0, 1), total=st.integers(1, 50))
def test_first_step_is_the_first_at_which_all_holds(start: Start, up: int, down: int, floor: float, total: int) -> None:
    schedule = Schedule(up, down, floor)
    assert first_step(start, schedule, total) == walked(start, schedule, total)


def test_the_published_late_start() -> None:
    """A multiplier below 0.15 of a warm-down of 3,500 steps: the last 524 of 4,400."""
    train = Train(1, 8, 8, 1, Stop(4400), Schedule(warmdown_steps=3500), {})
    assert quantization_aware_steps(train) == 0
    aware = Train(
        1, 8, 8, 1, Stop(4400), Schedule(warmdown_steps=3500), {}, quantization_aware=QuantizationAware(Start(0.15))
    )
    assert quantization_aware_steps(aware) == 524
