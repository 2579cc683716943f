from __future__ import annotations

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.entropy import EntropyError
from loopspec.runtime.entropy.byte_codecs import CODECS, compress, decompress

NAMES = ["zlib", "lzma", "brotli"]
TEXT = bytes((7 * i * i + i // 3) % 11 for i in range(3000))


@pytest.fixture(params=NAMES)
def name(request):
    if request.param == "brotli":
        pytest.importorskip("brotli")
    return request.param


def test_these_are_all():
    assert sorted(CODECS) == sorted(NAMES)


@pytest.mark.parametrize("data", [b"", b"a", TEXT, bytes(100_000)], ids=["none", "one", "text", "zeros"])
def test_bytes_come_back(name, data):
    low, high = CODECS[name].levels
    for level in (low, high):
        packed = compress(name, data, level)
        assert packed == compress(name, data, level)
        assert decompress(name, packed, len(data), "x") == data


@pytest.mark.parametrize("size", [len(TEXT) - 1, len(TEXT) + 1, 0, 10 * len(TEXT)])
def test_another_size_is_refused(name, size):
    with pytest.raises(EntropyError, match=rf"^the place: .*{size} bytes; pack the model again$"):
        decompress(name, compress(name, TEXT, 9), size, "the place")


def test_truncated_or_longer_data_is_refused(name):
    packed = compress(name, TEXT, 9)
    for data in [packed[:length] for length in range(len(packed))] + [packed + b"\0", packed + packed]:
        with pytest.raises(EntropyError, match=r"^the place: "):
            decompress(name, data, len(TEXT), "the place")


def test_flipped_bits_are_refused_or_of_the_right_size(name):
    packed = compress(name, TEXT, 9)
    for position in range(0, 8 * len(packed), 5):
        flipped = bytearray(packed)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert len(decompress(name, bytes(flipped), len(TEXT), "x")) == len(TEXT)
        except EntropyError:
            continue


def test_a_bomb_takes_no_more_than_its_size(name):
    packed = compress(name, bytes(4_000_000), 1)
    tracemalloc.start()
    with pytest.raises(EntropyError):
        decompress(name, packed, 100_000, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (20_000_000 if name == "lzma" else 2_000_000)  # its window is 16 MiB


@examples(100)
@given(st.sampled_from(NAMES), st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_are_refused_or_of_the_right_size(name, data, size):
    if name == "brotli":
        pytest.importorskip("brotli")
    try:
        assert len(decompress(name, data, size, "the place")) == size
    except EntropyError as error:
        assert str(error).startswith("the place: ")


def test_a_level_out_of_range(name):
    with pytest.raises(EntropyError, match=rf"level 12 of {name} is out of range"):
        compress(name, b"", 12)


def test_an_unknown_name():
    with pytest.raises(EntropyError, match="no byte codec is called 'rar'; known: zlib, brotli, lzma"):
        decompress("rar", b"", 0, "x")


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(EntropyError, match=r"the codec brotli needs .*pip install 'loopspec\[ans\]'"):
        compress("brotli", b"", 5)
