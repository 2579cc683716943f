from __future__ import annotations

import sys

import numpy as np
import pytest

from loopspec.runtime.entropy import EntropyError
from loopspec.runtime.entropy import constriction_codec as codec

SHAPES = [(64, 32), (3, 5), (0, 4), (8, 8), (1, 700)]


@pytest.fixture
def matrices():
    pytest.importorskip("constriction")
    generator = np.random.default_rng(0)
    made = [np.rint(3 * generator.standard_normal(shape)).astype(np.int8) for shape in SHAPES]
    made[3][:] = 0
    return made


def attack(data):
    try:
        return [matrix.shape for matrix in codec.decode_codes(data, SHAPES, "the place")] == SHAPES
    except EntropyError as error:
        assert str(error).startswith("the place: ")
        return False


def test_matrices_come_back_near_their_entropy(matrices):
    data = codec.encode_codes(matrices)
    found = codec.decode_codes(data, SHAPES, "x")
    assert all(np.array_equal(one, other) for one, other in zip(found, matrices, strict=True))
    entropy = 0.0
    for matrix in matrices:
        counts = np.unique(matrix, return_counts=True)[1]
        entropy -= float((counts * np.log2(counts / matrix.size)).sum()) / 8
    assert entropy < len(data) < entropy + 60


def test_extremes_come_back():
    pytest.importorskip("constriction")
    matrix = np.array([[-127, 127, 0]] * 20, np.int8)
    assert np.array_equal(codec.decode_codes(codec.encode_codes([matrix]), [(20, 3)], "x")[0], matrix)


def test_hostile_bytes(matrices):
    data = codec.encode_codes(matrices)
    ends = [attack(data[:length]) for length in range(0, len(data), 23)]
    flips = [attack(data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :]) for i in range(0, len(data), 17)]
    assert sum(ends) < 9 and sum(flips) < 9
    assert not attack(data + bytes(4))
    assert not attack(data + b"\1\0\0\0")


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(EntropyError, match=r"the codec constriction needs .*pip install 'loopspec\[ans\]'"):
        codec.encode_codes([])
