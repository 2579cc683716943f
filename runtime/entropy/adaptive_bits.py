"""Adaptive binary arithmetic coding of side information: few numbers, any distribution, no tables.

Writer and reader share one interface, so that what describes a format says each number once: a writer returns what it
was given, a reader ignores that and returns what it found. Integers only. Coder: lpaq1 (Mahoney 2007), which keeps 32
bits of an interval and no carry.
"""

from __future__ import annotations

from typing import Protocol

from .errors import EntropyError

CONTEXTS = 38
UNARY = 24
"""Decisions of one context that have a probability of their own; further ones share the last."""

WIDTH = UNARY + 2
LARGEST = 512
"""Largest magnitude of an integer."""

TOP = 2**32 - 1
RATES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 64)
NEXT = (*range(1, len(RATES)), len(RATES) - 1)
"""Divisor of the step of a probability after so many decisions."""


class AdaptiveBits(Protocol):
    """Either direction. `place` says whose the bits are; `exponents` counts for the model, see classes.py."""

    place: str
    exponents: int

    def bit(self, context: int, value: int) -> int:
        """One decision; `context` names its probability."""
        ...


class _Interval:
    """What writer and reader keep alike: the interval, and for each context the chance of a one in 1/65536."""

    __slots__ = ("chances", "exponents", "high", "low", "seen")

    def __init__(self) -> None:
        self.low, self.high = 0, TOP
        self.exponents = 0
        self.chances = [32768] * (CONTEXTS * WIDTH)
        self.seen = [0] * (CONTEXTS * WIDTH)

    def narrow(self, context: int, value: int, middle: int) -> None:
        """Keeps the part of the interval that stands for `value`, and moves the chance towards it."""
        chance, seen = self.chances[context], self.seen[context]
        if value:
            self.high = middle
            self.chances[context] = chance + (65504 - chance) // RATES[seen]
        else:
            self.low = middle + 1
            self.chances[context] = chance - (chance - 32) // RATES[seen]
        self.seen[context] = NEXT[seen]

    def closing(self) -> bytes:
        """The fewest bytes that name a point of the interval when zeros follow."""
        first = (self.low + 0xFFFFFF) >> 24
        return bytes([first]) if first << 24 <= self.high else self.high.to_bytes(4, "big")


class BitWriter(_Interval):
    """Writes decisions."""

    __slots__ = ("out", "place")

    def __init__(self) -> None:
        super().__init__()
        self.place = "codes to be written"
        self.out = bytearray()

    def bit(self, context: int, value: int) -> int:
        """Writes `value`, 0 or 1, and returns it."""
        self.narrow(context, value, self.low + ((self.high - self.low) * self.chances[context] >> 16))
        while not (self.low ^ self.high) >> 24:
            self.out.append(self.high >> 24)
            self.low = self.low << 8 & TOP
            self.high = self.high << 8 & TOP | 255
        return value

    def finish(self) -> bytes:
        """All that was written."""
        return bytes(self.out) + self.closing()


class BitReader(_Interval):
    """Reads decisions. Zeros follow `data`, at most four bytes of them.

    Raises:
        EntropyError: from `bit` and `finish`; `place` says where.
    """

    __slots__ = ("data", "place", "point", "position")

    def __init__(self, data: bytes, place: str) -> None:
        super().__init__()
        self.data, self.place = data, place
        self.position = 4
        self.point = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def bit(self, context: int, value: int) -> int:
        """Reads a decision; `narrow` written out, for a model of 28 M weights takes half a million of them."""
        low, high, chance, seen = self.low, self.high, self.chances[context], self.seen[context]
        middle = low + ((high - low) * chance >> 16)
        if self.point <= middle:
            found, high = 1, middle
            self.chances[context] = chance + (65504 - chance) // RATES[seen]
        else:
            found, low = 0, middle + 1
            self.chances[context] = chance - (chance - 32) // RATES[seen]
        self.seen[context] = NEXT[seen]
        self.low, self.high = low, high
        while not (low ^ high) >> 24:
            self.shift()
            low, high = self.low, self.high
        return found

    def unary(self, start: int, largest: int) -> int:
        """What `natural` reads, all in one: a model of 28 M weights takes a third of a million decisions."""
        chances, seen, point = self.chances, self.seen, self.point
        low, high, number = self.low, self.high, 0
        while number < largest:
            context = start + (number if number < UNARY else UNARY)
            chance, times = chances[context], seen[context]
            middle = low + ((high - low) * chance >> 16)
            seen[context] = NEXT[times]
            one = point <= middle
            if one:
                high = middle
                chances[context] = chance + (65504 - chance) // RATES[times]
                number += 1
            else:
                low = middle + 1
                chances[context] = chance - (chance - 32) // RATES[times]
            while not (low ^ high) >> 24:
                self.low, self.high = low, high
                self.shift()
                low, high, point = self.low, self.high, self.point
            if not one:
                break
        self.low, self.high = low, high
        return number

    def shift(self) -> None:
        """Takes a byte in."""
        if self.position >= len(self.data) + 4:
            raise EntropyError(f"{self.place}: its class description breaks off; pack the model again")
        byte = self.data[self.position] if self.position < len(self.data) else 0
        self.position += 1
        self.low = self.low << 8 & TOP
        self.high = self.high << 8 & TOP | 255
        self.point = self.point << 8 & TOP | byte

    def finish(self) -> None:
        """Holds the end of `data` against what a writer would have closed with."""
        if self.data[self.position - 4 :] != self.closing():
            raise EntropyError(f"{self.place}: its class description is damaged; pack the model again")


def refuse(bits: AdaptiveBits, what: str) -> EntropyError:
    """The error for a number that no writer would write."""
    return EntropyError(f"{bits.place}: {what} is out of range; pack the model again")


def natural(bits: AdaptiveBits, context: int, value: int, largest: int = LARGEST) -> int:
    """A number in 0..`largest`, in unary with adaptive chances."""
    start = context * WIDTH
    if isinstance(bits, BitReader):
        return bits.unary(start, largest)
    number = 0
    while number < largest and bits.bit(start + min(number, UNARY), int(value > number)):
        number += 1
    return number


def integer(bits: AdaptiveBits, context: int, value: int, largest: int = LARGEST) -> int:
    """A number in -`largest`..`largest`."""
    magnitude = natural(bits, context, abs(value), largest)
    if magnitude and bits.bit(context * WIDTH + WIDTH - 1, int(value < 0)):
        return -magnitude
    return magnitude
