"""What a run shows of itself while it goes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from tiny_run import CountingBatches, make_train, run

from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.train import Finish, Schedule, Train
from loopspec.runtime.train import loop
from loopspec.runtime.train.clock import TrainingClock
from loopspec.runtime.train.progress import Progress, Status

REPLAY = Finish("replay", 0.1, batches=2, epochs=1)
BY_SECONDS = {"stop": Stop(seconds=20.0), "schedule": Schedule("seconds")}


class Watched(Progress):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.statuses: list[Status] = []

    def update(self, status: Status) -> None:
        self.statuses.append(status)


class Ticking(CountingBatches):
    """A clock that gains half a second with every micro-batch, a second with every step."""

    now = 0.0

    def take(self, *shape: Any) -> Any:
        self.now += 0.5
        return super().take(*shape)


def shown(path: Path, train: Train, monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    batches, progress = Ticking(), Watched()
    monkeypatch.setattr(
        loop, "TrainingClock", lambda seconds=0.0, elsewhere=(): TrainingClock(seconds, elsewhere, lambda: batches.now)
    )
    run(path, train, batches=batches, progress=progress)
    return progress.statuses


@pytest.mark.parametrize(
    ("changes", "total", "clock", "etas"),
    [
        ({"stop": Stop(steps=20)}, 20, "steps", (19.0, 0.0)),
        ({"stop": Stop(tokens=480), "schedule": Schedule("tokens")}, 20, "tokens", (19.0, 0.0)),
        (BY_SECONDS, None, "seconds", (19.0, 0.0)),
        ({"stop": Stop(steps=20, seconds=50.0)}, None, "steps", (19.0, 0.0)),
        ({"stop": Stop(steps=20), "finish": (REPLAY,)}, 22, "steps", (21.0, 2.0)),
        (BY_SECONDS | {"finish": (REPLAY,)}, None, "seconds", (21.0, 2.0)),
    ],
)
def test_the_clock_that_ends_training_and_the_time_to_go(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    total: int | None,
    clock: str,
    etas: tuple[float, float],
) -> None:
    statuses = shown(tmp_path, make_train(**changes), monkeypatch)
    first, last = statuses[0], statuses[19]
    assert {status.total for status in statuses} == {total}
    assert (first.clock, last.clock) == (clock, clock)
    assert (first.eta_seconds, last.eta_seconds) == pytest.approx(etas)
    assert (first.seconds, last.seconds) == (1.0, 20.0)
    assert last.tokens_per_second == pytest.approx(24.0)
    assert [(status.mode, status.clock, status.eta_seconds) for status in statuses[20:]] == (
        [("replay full", None, 1.0), ("replay full", None, 0.0)] if "finish" in changes else []
    )


def test_the_pace_is_that_of_the_last_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slower(Ticking):
        def take(self, *shape: Any) -> Any:
            self.now += 0.5 if self.position >= 60 else 0.0  # from step 30 on a step takes two seconds
            return super().take(*shape)

    monkeypatch.setattr(f"{__name__}.Ticking", Slower)
    statuses = shown(tmp_path, make_train(60), monkeypatch)
    assert statuses[29].tokens_per_second == pytest.approx(24.0)
    assert 12.0 < statuses[39].tokens_per_second < 24.0
    assert statuses[59].tokens_per_second == pytest.approx(12.0)
