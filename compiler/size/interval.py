"""A predicted number of bytes with the ends of its interval."""

from __future__ import annotations

from dataclasses import dataclass

from .factors import Factor


@dataclass(frozen=True, slots=True)
class Interval:
    """Bytes: the interval's ends and what is predicted."""

    low: float
    predicted: float
    high: float

    @classmethod
    def of(cls, base: float, factor: Factor) -> Interval:
        """`base` times a measured factor."""
        return cls(base * factor.low, base * factor.predicted, base * factor.high)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.predicted + other.predicted, self.high + other.high)


NOTHING = Interval(0.0, 0.0, 0.0)
