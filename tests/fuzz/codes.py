"""The coder of int8 codes under hostile bytes: a stream alone, without the file around it.

An input is the number of matrices, rows and columns of each (a byte each), then the stream.
"""

from __future__ import annotations

import re
from random import Random

import numpy as np

from loopspec.runtime.entropy import EntropyError, decode_codes, encode_codes

from .engine import ACCEPTED, Target, saved

MOST_MATRICES = 6
MOST_CODES = 4096
Shapes = list[tuple[int, int]]


def run(data: bytes) -> str:
    """Decodes one stream; what is taken must be what the coder writes. Returns the error's words."""
    shapes, stream = _split(data)
    if sum(rows * cols for rows, cols in shapes) > MOST_CODES:
        return "too large for this target"
    try:
        matrices = decode_codes(stream, shapes, "x")
    except EntropyError as error:
        text = str(error)
        assert text.startswith("x: ") and "; " in text, f"names no place or no mend: {text[:80]!a}"
        return re.sub(r"[^a-zA-Z ,;]+", "", text)[:70]
    assert [matrix.shape for matrix in matrices] == shapes, "other shapes than asked for"
    assert all(matrix.dtype == np.int8 for matrix in matrices), "codes are not int8"
    again = decode_codes(encode_codes(matrices), shapes, "x")
    assert all(np.array_equal(one, two) for one, two in zip(matrices, again, strict=True)), "not what it was"
    return f"{ACCEPTED}, {len(matrices)} matrices"


def mutate(data: bytes, rng: Random) -> bytes:
    """Other bytes in the description, the states or the words; now and then other shapes."""
    shapes, stream = _split(data)
    if rng.random() < 0.15 and shapes:
        at = rng.randrange(len(shapes))
        rows, cols = shapes[at]
        shapes[at] = rng.choice([(cols, rows), (rows + 1, cols), (rows, 0), (0, 0), (1, cols), (255, 16), (17, 17)])
    changed = bytearray(stream)
    for _ in range(rng.choice([1, 1, 2, 4])):
        start = rng.randint(0, len(changed))
        end = min(len(changed), start + rng.choice([0, 1, 1, 2, 4, 16]))
        random = rng.randbytes(end - start)
        flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in changed[start:end])
        changed[start:end] = rng.choice([flipped, flipped, random, b"", b"\0", b"\xff\xff", random + b"\0"])
    return _joined(shapes, bytes(changed))


def seeds() -> list[bytes]:
    """Streams of random matrices: one code, one row, some with exponents, alike."""
    rng = np.random.default_rng(0)
    found = []
    for shapes in ([(1, 1)], [(3, 4)], [(17, 16)], [(20, 20), (20, 20)], [(1, 40), (40, 1), (16, 16)]):
        for scale in (0.6, 6.0, 40.0):
            matrices = [np.clip(rng.normal(0, scale, shape), -127, 127).astype(np.int8) for shape in shapes]
            matrices[0][0, 0] = 1
            found.append(_joined(shapes, encode_codes(matrices)))
    return [*found, *saved(TARGET.name)]


def _split(data: bytes) -> tuple[Shapes, bytes]:
    count = min(data[0], MOST_MATRICES) if data else 0
    sizes = data[1 : 1 + 2 * count].ljust(2 * count, b"\1")
    return list(zip(sizes[::2], sizes[1::2], strict=True)), data[1 + 2 * count :]


def _joined(shapes: Shapes, stream: bytes) -> bytes:
    sizes = bytes(size % 256 for shape in shapes for size in shape)
    return bytes([len(shapes)]) + sizes + stream


TARGET = Target("codes", run, mutate, seeds, ".bin", seconds=5.0, memory=512 * 2**20, longest=1 << 13)
