"""A reader of artifacts, written from FORMAT.md alone, with nothing of loopspec: a test of what that text says."""

from __future__ import annotations

import hashlib
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

MAGIC = b"\x89LSPEC\r\n"
RUNS = ("rows", "columns", "steps16", "steps32", "base", "values16", "values32")
WORDS = dict(zip(RUNS, ("i1", "i1", "<f2", "<f4", "<f4", "<f2", "<f4"), strict=True))
DIVISORS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 50, 64)
NEVER, ONE, LOWEST = 225, 2**14, 2**16
ODDS = tuple(round(2 ** (number / 16) * 65536) for number in range(16))


class Part(NamedTuple):
    """A part of a store: the run or stream that holds it, and its sizes."""

    store: str
    name: str
    run: str
    shape: Shape


def read(file: bytes) -> tuple[dict[str, Any], dict[str, Array], bytes | None]:
    """Header, the float32 array of every store and state, and the tokenizer if it is embedded."""
    header, payloads = container(file)
    stores = [(name, header["storages"][index], tuple(shape)) for name, index, *shape in header["stores"]]
    stores += [(name, {"kind": "float32"}, tuple(shape)) for name, *shape in header["states"]]
    parts = [part for name, storage, shape in stores for part in parts_of(name, storage, shape)]
    words = pool(payloads.get("pool", b""), header["streams"].get("pool"), [p for p in parts if p.run != "codes"])
    matrices = [part for part in parts if part.run == "codes"]
    if matrices:
        codes = matrices_by(header["streams"]["codes"], payloads["codes"], [part.shape for part in matrices])
        words |= {(part.store, part.name): found for part, found in zip(matrices, codes, strict=True)}
    weights = {name: decoded(name, storage, words).reshape(shape) for name, storage, shape in stores}
    tokenizer = header["tokenizer"]
    if not tokenizer or "bytes" not in tokenizer:
        return header, weights, None
    return header, weights, packed(header["streams"]["tokenizer"], payloads["tokenizer"], tokenizer["bytes"])


def container(file: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The header and the payload of each stream."""
    assert file[:8] == MAGIC and u32(file, 8) == 3 and u32(file, 12) == len(file)
    assert hashlib.sha256(file[:-32]).digest() == file[-32:]
    end = 20 + u32(file, 16)
    text = packed("zstd", file[20:end], zstandard.frame_content_size(file[20:end]))
    assert len(text) <= 2**21
    header: dict[str, Any] = json.loads(text)
    values = (json.dumps(header[key], separators=(",", ":"), sort_keys=key != "spec") for key in sorted(header))
    again = ",".join(f'"{key}":{value}' for key, value in zip(sorted(header), values, strict=True))
    assert f"{{{again}}}".encode("ascii") == text
    payloads = {}
    for name in header["streams"]:
        begin, end = end + 36, end + 36 + u32(file, end)
        payloads[name] = file[begin:end]
        assert hashlib.sha256(payloads[name]).digest() == file[begin - 32 : begin]
    assert end == len(file) - 32
    return header, payloads


def u32(data: bytes, at: int) -> int:
    """The number at a place."""
    return int.from_bytes(data[at : at + 4], "little")


def packed(codec: str, payload: bytes, size: int) -> bytes:
    """What a byte codec holds."""
    if codec == "zstd":
        assert zstandard.frame_content_size(payload) == size
        found = zstandard.ZstdDecompressor().decompress(payload)
    elif codec == "zlib":
        found = zlib.decompress(payload)
    elif codec == "lzma":
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**24}]
        found = lzma.decompress(payload, lzma.FORMAT_RAW, filters=filters)
    else:
        import brotli  # type: ignore[import-untyped]

        found = brotli.decompress(payload)
    assert len(found) == size
    return bytes(found)


def parts_of(store: str, storage: Mapping[str, Any], shape: Shape) -> Iterator[Part]:
    """The parts of a store in the order of the table."""
    rows, cols = (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
    kind = storage["kind"]
    if kind == "integer":
        steps = storage.get("steps", "row")
        count = {"store": 1, "row": rows}.get(steps) or rows * -(-cols // steps)
        wide = storage.get("step_dtype", "float16") == "float32"
        yield Part(store, "codes", "codes", (rows, cols))
        yield Part(store, "steps", "steps32" if wide else "steps16", (count,))
        rank = storage.get("error_rank", 0)
        if rank:
            yield Part(store, "left", "codes", (rows, rank))
            yield Part(store, "left_steps", "steps16", (rows,))
            yield Part(store, "right", "codes", (rank, cols))
            yield Part(store, "right_steps", "steps16", (rank,))
    elif kind == "grid":
        yield Part(store, "codes", "codes", (rows, cols))
        yield Part(store, "base", "base", (1,))
        yield Part(store, "rows", "rows", (rows,))
        yield Part(store, "columns", "columns", (cols,))
    else:
        yield Part(store, "values", "values16" if kind == "float16" else "values32", (rows * cols,))


def pool(payload: bytes, codec: str | None, parts: Sequence[Part]) -> dict[tuple[str, str], Array]:
    """Every part that is not codes."""
    counts = {run: sum(prod(part.shape) for part in parts if part.run == run) for run in RUNS}
    widths = {run: np.dtype(WORDS[run]).itemsize for run in RUNS}
    data = packed(codec, payload, sum(counts[run] * widths[run] for run in RUNS)) if codec else b""
    found, begin = {}, 0
    for run in RUNS:
        size = counts[run] * widths[run]
        planes = np.frombuffer(data[begin : begin + size], np.uint8).reshape(widths[run], counts[run])
        words = np.ascontiguousarray(planes.T).reshape(-1).view(WORDS[run])
        begin, at = begin + size, 0
        for part in (part for part in parts if part.run == run):
            found[part.store, part.name] = words[at : at + prod(part.shape)].reshape(part.shape)
            at += prod(part.shape)
    return found


def decoded(name: str, storage: Mapping[str, Any], words: Mapping[tuple[str, str], Array]) -> Array:
    """Rows x columns of float32 weights, or a flat array of them."""
    if storage["kind"] in ("float16", "float32"):
        return words[name, "values"].astype(np.float32)
    codes = words[name, "codes"].astype(np.float32)
    if storage["kind"] == "grid":
        fractions = np.array([2 ** (sixteenth / 16) for sixteenth in range(16)], np.float32)
        exponents = np.add.outer(words[name, "rows"].astype(int), words[name, "columns"].astype(int))
        powers = np.ldexp(fractions[exponents % 16], exponents // 16).astype(np.float32)
        weights: Array = codes * (words[name, "base"].astype(np.float32) * powers)
    else:
        rows, cols = codes.shape
        share = storage.get("steps", "row")
        group = {"store": cols, "row": cols}.get(share, share)
        steps = words[name, "steps"].astype(np.float32)
        steps = np.broadcast_to(steps, (rows, 1)) if share == "store" else steps.reshape(rows, -1)
        weights = codes * np.repeat(steps, group, axis=1)[:, :cols]
        if "error_rank" in storage:
            left = words[name, "left"].astype(np.float32) * words[name, "left_steps"].astype(np.float32)[:, None]
            right = words[name, "right"].astype(np.float32) * words[name, "right_steps"].astype(np.float32)[:, None]
            for number in range(storage["error_rank"]):
                weights = weights + left[:, number : number + 1] * right[number]
    assert np.isfinite(weights).all()
    return weights


def matrices_by(codec: str, payload: bytes, shapes: Sequence[Shape]) -> list[Array]:
    """The matrices of codes."""
    if codec == "rans":
        return rans(payload, shapes)
    large = [[number] for number, shape in enumerate(shapes) if prod(shape) >= 16384]
    small = [number for number, shape in enumerate(shapes) if prod(shape) < 16384]
    at, found = 0, {}
    for group in large + ([small] if small else []):
        sizes = [prod(shapes[number]) for number in group]
        size = u32(payload, at)
        data = np.frombuffer(packed(codec, payload[at + 4 : at + 4 + size], sum(sizes)), np.int8)
        at += 4 + size
        for number, part in zip(group, np.split(data, np.cumsum(sizes)[:-1]), strict=True):
            found[number] = part.reshape(shapes[number][::-1]).T
    assert at == len(payload)
    return [found[number] for number in range(len(shapes))]


class Bits:
    """Decisions in adaptive contexts."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4
        self.low, self.high = 0, 2**32 - 1
        self.value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self.chances: dict[tuple[int, int], tuple[int, int]] = {}

    def decision(self, context: int, chance: int) -> int:
        """A one or a zero."""
        p, used = self.chances.get((context, chance), (32768, 0))
        middle = self.low + ((self.high - self.low) * p >> 16)
        one = self.value <= middle
        divisor = DIVISORS[min(used, 15)]
        if one:
            self.high = middle
            p += (65504 - p) // divisor
        else:
            self.low = middle + 1
            p -= (p - 32) // divisor
        self.chances[context, chance] = (p, used + 1)
        while self.low >> 24 == self.high >> 24:
            self.low = (self.low << 8) & 0xFFFFFFFF
            self.high = (self.high << 8) & 0xFFFFFFFF | 255
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.value = (self.value << 8) & 0xFFFFFFFF | byte
            self.at += 1
        return int(one)

    def natural(self, context: int, most: int) -> int:
        """A number of 0..most."""
        number = 0
        while number < most and self.decision(context, min(number, 24)):
            number += 1
        return number

    def integer(self, context: int, most: int = 512) -> int:
        """A number of -most..most."""
        magnitude = self.natural(context, most)
        return -magnitude if magnitude and self.decision(context, 25) else magnitude


def rans(payload: bytes, shapes: Sequence[Shape]) -> list[Array]:
    """The matrices of a stream by rans."""
    length = u32(payload, 0)
    classes, tables = description(Bits(payload[4 : 4 + length]), shapes)
    kept = [found for found in classes if found is not None]
    symbols = np.concatenate([found.reshape(-1) for found in kept]) if kept else np.zeros(0, int)
    codes = iter(np.split(lanes(payload[4 + length :], symbols, tables), np.cumsum([found.size for found in kept])))
    return [
        np.zeros(shape, np.int8) if found is None else next(codes).reshape(shape)
        for found, shape in zip(classes, shapes, strict=True)
    ]


def lanes(data: bytes, classes: Array, tables: Sequence[Array]) -> Array:
    """The codes of all symbols."""
    n = classes.size
    count = min(4096, max(n // 16384, min(16, n // 1024), 1)) if n else 0
    states = np.frombuffer(data[: 4 * count], "<u4").astype(np.int64)
    words = np.frombuffer(data[4 * count :], "<u2").astype(np.int64)
    frequencies = np.stack(tables) if tables else np.zeros((0, 255), int)
    ends = np.cumsum(frequencies, axis=1)
    codes, at = np.zeros(n, np.int8), 0
    assert (states >= LOWEST).all()
    for begin in range(0, n, max(1, count)):
        mine = classes[begin : begin + count]
        state = states[: mine.size]
        slots = state % ONE
        places = (ends[mine] <= slots[:, None]).sum(axis=1)
        codes[begin : begin + count] = places - 127
        taken = frequencies[mine, places]
        state = taken * (state // ONE) + slots - (ends[mine, places] - taken)
        low = state < LOWEST
        state[low] = state[low] * LOWEST + words[at : at + low.sum()]
        at += int(low.sum())
        states[: mine.size] = state
    assert at == words.size and (states == LOWEST).all()
    return codes


def description(bits: Bits, shapes: Sequence[Shape]) -> tuple[list[Array | None], list[Array]]:
    """The class of every entry of each matrix (None: all zeros), and each class's frequencies of codes -127..127."""
    sizes = [1 + bits.natural(30, 255) for _ in range(bits.natural(30, 8))]
    classes: list[Array | None] = [None] * len(shapes)
    last = 0
    latest: dict[int, list[int]] = {}
    for number, (rows, cols) in enumerate(shapes if sizes else []):
        if not bits.decision(29, 0):
            continue
        set_of = bits.natural(31, len(sizes) - 1)
        last += bits.integer(28)
        exponents = []
        for axis, (own, other) in enumerate(((rows, cols), (cols, rows))):
            found = [0] * own
            if other >= 16 and bits.decision(29, 1 + axis):
                before = latest.get(own, found)
                context = 7 * (2 * axis + (own > other)) + 3
                found = [bits.integer(context + min(3, max(-3, e)), 120) for e in before]
                latest[own] = found
            exponents.append(np.array(found))
        inner = last + np.add.outer(*exponents)
        classes[number] = sum(sizes[:set_of]) + np.clip(inner, 0, sizes[set_of] - 1)
    return classes, [frequencies(levels) for size in sizes for levels in levels_of(bits, size)]


def levels_of(bits: Bits, size: int) -> list[list[int]]:
    """The levels of each class of a set; [] for none."""
    found: list[list[int]] = []
    for _ in range(size):
        before = [[], [], *(levels for levels in found[-2:] if levels)]
        earlier, there = before[-2:]
        found.append([])
        if bits.decision(29, 3):
            top = len(there) + bits.integer(32)
            for k in range(top):
                found[-1].append(level(bits, k, found[-1], there, earlier))
    return found


def level(bits: Bits, k: int, here: Sequence[int], there: Sequence[int], earlier: Sequence[int]) -> int:
    """The level of magnitude k."""
    if bits.decision(33, int(k > 0 and here[k - 1] == NEVER)):
        return NEVER
    if k >= len(there):
        context = 0
    else:
        context = 1 if k == 0 else 2 if k < len(there) // 2 else 3
    return predicted(k, here, there, earlier) + bits.integer(34 + context)


def predicted(k: int, here: Sequence[int], there: Sequence[int], earlier: Sequence[int]) -> int:
    """What level k is likely to be."""
    if k >= len(there) or there[k] == NEVER:
        return next((value for value in reversed(here) if value != NEVER), 0)
    pair = (there[0], *earlier[:1]) if k == 0 else (here[k - 1], there[k - 1])
    difference = pair[0] - pair[1] if len(pair) == 2 and NEVER not in pair else 0
    return min(224, max(-224, there[k] + difference))


def frequencies(levels: Sequence[int]) -> Array:
    """Of codes -127..127."""
    left, masses = 2**30, []
    for value in levels:
        odds = 0 if value == NEVER else ODDS[value % 16] << 14 + value // 16
        masses.append(left * odds // (odds + 2**30))
        left -= masses[-1]
    masses.append(left)
    never = [value == NEVER for value in levels] + [False]
    found = [0 if never[k] else max(1, (masses[k] + 2**16) >> 17) for k in range(1, len(masses))]
    zero = ONE - 2 * sum(found)
    while zero < (0 if never[0] else 1):
        found[found.index(max(found))] -= 1
        zero += 2
    if never[0]:
        found[found.index(max(found))] += zero // 2
        zero = 0
    signs = [zero, *found, *([0] * (127 - len(found)))]
    return np.array(signs[:0:-1] + signs)
