"""Interleaved rANS: many coders of 32-bit states that share one stream of 16-bit words, each step one numpy pass.

Symbol i goes to lane i mod lanes. Integers only, so the bytes are the same on every machine. rANS: Duda 2013, arXiv
1311.2540; interleaving: Giesen 2014, arXiv 1402.3392.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from .errors import EntropyError
from .tables import LARGEST_CODE, PRECISION, SYMBOLS, Table

SYMBOLS_PER_LANE = 1 << 14
"""A lane costs three bytes, and saves steps, each of which takes some ten microseconds."""

MAX_LANES = 4096
FEW_LANES, FEWEST_PER_LANE = 16, 1 << 10
"""Short streams have up to so many lanes, of so many symbols: a few bytes, for a sixteenth of the steps."""

START = 1 << 16
"""State of every lane before the first symbol is encoded and after the last is decoded; no state is ever less."""

_MASK = (1 << PRECISION) - 1
_CHUNK = 64
"""Steps whose table rows are looked up at once."""

Codes = npt.NDArray[np.int8]
Classes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


def lanes_for(count: int) -> int:
    """Lanes of a stream of so many symbols; the decoder computes the same."""
    few = max(min(count // FEWEST_PER_LANE, FEW_LANES), 1)
    return min(max(count // SYMBOLS_PER_LANE, few), MAX_LANES) if count else 0


def estimate(count: int, bits: float) -> int:
    """Length of the states and words of `count` symbols of so many bits.

    A final state holds about 24 bits, 16 of which were there at the start; rounding takes one part in ten thousand.
    """
    lanes = lanes_for(count)
    return 4 * lanes + 2 * max(round(bits * 1.0001 / 16 - lanes / 2), 0)


def _chunks(count: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Runs of symbols: some steps of all lanes each, the last step perhaps of fewer lanes."""
    size = max(lanes, 1) * _CHUNK
    return ((start, min(start + size, count)) for start in range(0, count, size))


def encode(codes: Codes, classes: Classes, tables: Sequence[Table]) -> bytes:
    """The final states, then the words, of flat `codes` by the tables of their `classes`."""
    lanes = lanes_for(len(codes))
    packed = _packed_by_code(tables)
    states = np.full(lanes, START, np.int64)
    words = np.empty(len(codes), "<u2")
    position = len(words)
    for start, stop in reversed(list(_chunks(len(codes), lanes))):
        entries = packed[classes[start:stop].astype(np.intp) * SYMBOLS + codes[start:stop] + LARGEST_CODE]
        frequencies, starts = entries >> 16, entries & 0xFFFF
        for step in range((stop - start - 1) // lanes * lanes, -1, -lanes):
            frequency = frequencies[step : step + lanes]
            active = states[: len(frequency)]
            full = (active >> (32 - PRECISION) >= frequency).nonzero()[0]
            position -= len(full)
            words[position : position + len(full)] = active[full] & 0xFFFF
            active[full] >>= 16
            quotient = active // frequency
            active += quotient * ((1 << PRECISION) - frequency) + starts[step : step + lanes]
    return states.astype("<u4").tobytes() + words[position:].tobytes()


def _packed_by_code(tables: Sequence[Table]) -> Numbers:
    """Frequency << 16 | first slot, by class and code."""
    frequencies = np.stack(tables) if tables else np.zeros((1, SYMBOLS), np.int64)
    starts = np.cumsum(frequencies, axis=1) - frequencies
    return (frequencies << 16 | starts & 0xFFFF).ravel()


def decode(data: bytes | memoryview, classes: Classes, tables: Sequence[Table], place: str) -> Codes:
    """The codes of entries of flat `classes`, each of which has a table; the inverse of `encode`.

    Takes the memory of the codes beside its arguments.

    Raises:
        EntropyError: `data` holds fewer or more words than the codes take, or is damaged so that the end does not fit.
    """
    lanes = lanes_for(len(classes))
    if len(data) < 4 * lanes or len(data) % 2:
        raise EntropyError(f"{place}: {len(data)} bytes cannot hold {lanes} coder states; pack the model again")
    states = np.frombuffer(data, "<u4", lanes).astype(np.int64)
    words = np.frombuffer(data, "<u2", offset=4 * lanes)
    if lanes and int(states.min()) < START:
        raise EntropyError(f"{place}: a coder state is out of range; pack the model again")
    codes = np.empty(len(classes), np.int8)
    used = _decode_words(states, words, classes, _by_slot(tables), codes)
    if used != len(words) or (states != START).any():
        fault = "do not end where their data does" if used != len(words) else "are damaged"
        raise EntropyError(f"{place}: the codes {fault}; pack the model again")
    return codes


def _decode_words(
    states: Numbers, words: npt.NDArray[np.uint16], classes: Classes, by_slot: tuple[Numbers, Numbers], codes: Codes
) -> int:
    """Fills `codes`; returns the words that they take, more than there are if they break off."""
    (firsts, slots), lanes, position = by_slot, len(states), 0
    for start, stop in _chunks(len(codes), lanes):
        entries = firsts[classes[start:stop]]
        for step in range(0, stop - start, lanes):
            entry = entries[step : step + lanes]
            active = states[: len(entry)]
            entry += active & _MASK
            slots.take(entry, out=entry, mode="clip")
            active >>= PRECISION
            active *= entry >> 32
            active += entry & 0xFFFF
            low = (active < START).nonzero()[0]
            read = words[position : position + len(low)]
            position += len(low)
            if len(read) < len(low):
                return position
            active[low] = active[low] << 16 | read
        codes[start:stop] = entries >> 16  # the cast keeps the low byte
    return position


def _by_slot(tables: Sequence[Table]) -> tuple[Numbers, Numbers]:
    """First entry of each class, and by entry: frequency << 32 | code << 16 (a byte) | slots since the code's first.

    Classes of one table share its entries: those with only zeros, or nothing, are many.
    """
    distinct = {entry.tobytes(): entry for entry in tables}
    rows = {key: row for row, key in enumerate(distinct)}
    slots = np.empty((len(distinct), 1 << PRECISION), np.int64)
    symbols = np.arange(-LARGEST_CODE, LARGEST_CODE + 1) & 0xFF
    for row, entry in enumerate(distinct.values()):
        starts = np.cumsum(entry) - entry
        slots[row] = np.repeat((entry << 32 | symbols << 16) - starts, entry) + np.arange(1 << PRECISION)
    firsts = np.array([rows[entry.tobytes()] << PRECISION for entry in tables], np.int64)
    return firsts, slots.ravel()
