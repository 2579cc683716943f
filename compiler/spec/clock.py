"""How far training is, and when it is over: by steps, by tokens or by the training clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

ClockKind = Literal["steps", "tokens", "seconds"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Where training stands when a step begins.

    Attributes:
        step: the step, counted from 0.
        tokens: trained on before it.
        seconds: of the training clock; validation, saving and compiling are left out.
    """

    step: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """When training ends: at the first of these that comes true, looked at before each step. At least one is given.

    Attributes:
        reserve_seconds: kept of `seconds` for what follows training: replay, distillation, calibration, packing.
    """

    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    reserve_seconds: float = 0.0

    @property
    def training_seconds(self) -> float | None:
        """Seconds of the training clock, without the reserve."""
        return None if self.seconds is None else self.seconds - self.reserve_seconds

    def limit(self, clock: ClockKind) -> float | None:
        """The limit by one clock, or None."""
        return {"steps": self.steps, "tokens": self.tokens, "seconds": self.training_seconds}[clock]

    def reached(self, moment: Moment) -> ClockKind | None:
        """The clock by which training is over, or None while it is not."""
        for clock in ("steps", "tokens", "seconds"):
            limit = self.limit(clock)
            if limit is not None and getattr(moment, _FIELDS[clock]) >= limit:
                return clock
        return None


_FIELDS = {"steps": "step", "tokens": "tokens", "seconds": "seconds"}


def share_done(stop: Stop, clock: ClockKind, moment: Moment, share: float) -> bool:
    """Whether this share of training, by one clock, is done. The decimal counts as written: 0.07 of 100 is 7, not 8."""
    limit = stop.limit(clock)
    assert limit is not None, f"a schedule by {clock} without train.stop.{clock}"  # LS550
    done: float = getattr(moment, _FIELDS[clock])
    return Fraction(done) >= Fraction(str(share)) * Fraction(limit)
