"""Time to go: which of the clocks that stop training will do so first at the present pace, and when."""

from __future__ import annotations

from ...compiler.spec.clock import ClockKind, Moment, Stop

BEGINNING = Moment(step=0, tokens=0, seconds=0.0)


def eta_seconds(stop: Stop, now: Moment, before: Moment = BEGINNING) -> tuple[float, ClockKind] | None:
    """Seconds of the training clock to go, and the clock that will end training; 0.0 where one has.

    The pace is the one from `before`, an earlier moment of this process, to `now`; validation and saving are not in
    it. None where no clock can be told yet: no seconds are a limit and nothing has been done since `before`.
    """
    spent = now.seconds - before.seconds
    assert spent >= 0, (before, now)
    reached = stop.reached(now)
    if reached is not None:
        return 0.0, reached
    done: dict[ClockKind, float] = {"steps": now.step - before.step, "tokens": now.tokens - before.tokens}
    at: dict[ClockKind, float] = {"steps": now.step, "tokens": now.tokens}
    waits: list[tuple[float, ClockKind]] = []
    for clock, gained in done.items():
        limit = stop.limit(clock)
        if limit is not None and gained > 0:
            waits.append(((limit - at[clock]) * spent / gained, clock))
    limit = stop.limit("seconds")
    if limit is not None:
        waits.append((limit - now.seconds, "seconds"))
    return min(waits, key=lambda wait: wait[0], default=None)
