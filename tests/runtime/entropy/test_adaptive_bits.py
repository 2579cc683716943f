from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.entropy import EntropyError
from loopspec.runtime.entropy.adaptive_bits import BitReader, BitWriter, integer, natural

NUMBERS = st.lists(st.tuples(st.integers(0, 30), st.integers(-512, 512)), max_size=60)


def written(numbers):
    writer = BitWriter()
    assert [integer(writer, context, number) for context, number in numbers] == [number for _, number in numbers]
    return writer.finish()


@examples(40)
@given(NUMBERS)
def test_numbers_come_back_and_all_bytes_are_used(numbers):
    data = written(numbers)
    reader = BitReader(data, "x")
    assert [integer(reader, context, 0) for context, _ in numbers] == [number for _, number in numbers]
    reader.finish()


@pytest.mark.parametrize("change", [lambda data: data + b"\0", lambda data: b"", lambda data: data + b"ab"])
def test_another_end_is_refused(change):
    numbers = [(0, number % 7 - 3) for number in range(100)]
    reader = BitReader(change(written(numbers)), "the place")
    with pytest.raises(EntropyError, match=r"^the place: its class description"):
        _ = [integer(reader, context, 0) for context, _ in numbers], reader.finish()


def test_reading_on_and_on_ends():
    reader = BitReader(b"\x5a\xa5", "the place")
    with pytest.raises(EntropyError, match="breaks off"):
        for _ in range(1000):
            natural(reader, 0, 0)


def test_a_run_of_zeros_takes_a_fiftieth_of_a_bit_each():
    assert len(written([(0, 0)] * 10_000)) < 25


def test_a_skewed_source_takes_about_its_entropy():
    """Chances 1/2, 1/4, ... of 0, 1, ...: two bits each."""
    state, numbers = 1, []
    for _ in range(4000):
        state = 6364136223846793005 * state % 2**64 + 1442695040888963407
        bits = f"{state >> 40 & 0xFFFFFF:024b}"
        numbers.append((0, bits.index("1") if "1" in bits else 24))
    writer = BitWriter()
    for context, number in numbers:
        natural(writer, context, number)
    assert 0.98 * 1000 < len(writer.finish()) < 1.03 * 1000
