"""Codecs on 28 million codes: bytes against the conditional entropy, seconds, and peak memory. Needs Linux.

    python tests/bench/packing.py [--only rans,zlib] [--codes FILE.npz] [--json FILE]

The codes are those of a model of six blocks 640 wide whose weights have row and column variances as training leaves
them, with a step that is a multiple of each row's deviation (12.85 / 31; embeddings 20 / 127). Every measurement is of
a process of its own; its peak holds Python, numpy and the codes. CPU seconds, since others may use the machine too.
`--codes` takes a model's own instead: an .npz of int8 matrices.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int8]
Encoder = Callable[[list[Codes]], bytes]
Decoder = Callable[[bytes, list[tuple[int, int]]], list[Codes]]

BLOCKS, DIM = 6, 640
BLOCK = ((DIM, DIM), (DIM // 2, DIM), (DIM // 2, DIM), (DIM, DIM), (4 * DIM, DIM), (DIM, 4 * DIM))
EMBEDDINGS = ((1024, DIM), (2048, 128), (DIM, 128), (1024, 128))
"""Tokens, pairs of tokens and what lifts them to the stream, values."""

LIMITS = {"over": 0.5, "encode": 60.0, "decode": 2.0, "peak": 400e6}
"""What rans is held to: percent over the conditional entropy, CPU seconds, bytes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the logarithm of the scale: of rows, of columns, of single entries."""

    rows: float
    columns: float
    entries: float = 0.0


def made_codes() -> list[Codes]:
    """The codes of all matrices, the same on every run of one version of numpy."""
    generator = np.random.default_rng(0)
    codes = [drawn(generator, shape, Spread(0.2, 0.2), 20 / 127, 127) for shape in EMBEDDINGS]
    for _ in range(BLOCKS):
        for shape in BLOCK:
            spread = Spread(0.08, 0.43, 0.25) if shape[1] > DIM else Spread(0.4 if shape[0] > DIM else 0.08, 0.09)
            codes.append(drawn(generator, shape, spread, 12.85 / 31, 31))
    return codes


def drawn(generator: np.random.Generator, shape: tuple[int, int], spread: Spread, step: float, levels: int) -> Codes:
    """Row scale x column scale x residual, in steps of so many of its row's standard deviations."""
    rows = np.exp(spread.rows * generator.standard_normal((shape[0], 1)))
    columns = np.exp(spread.columns * generator.standard_normal(shape[1]))
    weights = generator.standard_normal(shape) * np.exp(spread.entries * generator.standard_normal(shape))
    weights *= rows * columns
    steps = (step * weights.std(1, keepdims=True)).astype(np.float16).astype(np.float64)
    return np.clip(np.rint(weights / steps), -levels, levels).astype(np.int8)


def plain(matrices: Sequence[Codes]) -> bytes:
    """All codes, one matrix after the other."""
    return b"".join(matrix.tobytes() for matrix in matrices)


def split(data: bytes, shapes: Sequence[tuple[int, int]]) -> list[Codes]:
    """The inverse of `plain`."""
    starts = np.cumsum([0, *(rows * columns for rows, columns in shapes)])
    flat = np.frombuffer(data, np.int8)
    return [flat[start : start + r * c].reshape(r, c) for start, (r, c) in zip(starts, shapes, strict=False)]


def codecs() -> dict[str, tuple[Encoder, Decoder]]:
    """Encoder and decoder of each row of the table; imports happen where they are used."""
    found: dict[str, tuple[Encoder, Decoder]] = {"rans": (_encode_rans, _decode_rans)}
    found["constriction"] = (_encode_constriction, _decode_constriction)
    found["zstd-22"] = (_encode_zstd, _decode_zstd)
    for name, level in (("brotli", 11), ("lzma", 9), ("zlib", 9)):
        found[f"{name}-{level}"] = (partial(_encode_bytes, name, level), partial(_decode_bytes, name))
    return found


def _encode_rans(matrices: list[Codes]) -> bytes:
    from loopspec.runtime.entropy import encode_codes

    return encode_codes(matrices)


def _decode_rans(data: bytes, shapes: list[tuple[int, int]]) -> list[Codes]:
    from loopspec.runtime.entropy import decode_codes

    return decode_codes(data, shapes, "bench")


def _encode_constriction(matrices: list[Codes]) -> bytes:
    from loopspec.runtime.entropy import constriction_codec

    return constriction_codec.encode_codes(matrices)


def _decode_constriction(data: bytes, shapes: list[tuple[int, int]]) -> list[Codes]:
    from loopspec.runtime.entropy import constriction_codec

    return constriction_codec.decode_codes(data, shapes, "bench")


def _encode_zstd(matrices: list[Codes]) -> bytes:
    import zstandard

    return bytes(zstandard.ZstdCompressor(level=22).compress(plain(matrices)))


def _decode_zstd(data: bytes, shapes: list[tuple[int, int]]) -> list[Codes]:
    import zstandard

    return split(zstandard.ZstdDecompressor().decompress(data), shapes)


def _encode_bytes(name: str, level: int, matrices: list[Codes]) -> bytes:
    from loopspec.runtime.entropy.byte_codecs import compress

    return compress(name, plain(matrices), level)


def _decode_bytes(name: str, data: bytes, shapes: list[tuple[int, int]]) -> list[Codes]:
    from loopspec.runtime.entropy.byte_codecs import decompress

    return split(decompress(name, data, sum(rows * columns for rows, columns in shapes), "bench"), shapes)


def order_zero(matrices: Sequence[Codes]) -> float:
    """Bytes of the entropy of each matrix's own frequencies."""
    counts = [np.bincount(matrix.ravel().view(np.uint8), minlength=256)[None] for matrix in matrices]
    return sum(_entropy(one.astype(np.float64)) for one in counts)


def conditional(matrices: Sequence[Codes], data: bytes) -> float:
    """Bytes of the entropy of the codes given their classes, which are read from `data`, counted here in float64."""
    from loopspec.runtime.entropy.classes import classes_of
    from loopspec.runtime.entropy.codes import read_model

    shapes = [(matrix.shape[0], matrix.shape[1]) for matrix in matrices]
    model, _ = read_model(data, shapes, "bench")
    cells = classes_of(model, shapes).astype(np.intp) << 8
    cells += np.concatenate(
        [matrix.ravel() for matrix, one in zip(matrices, model.placements, strict=True) if one]
    ).view(np.uint8)
    return _entropy(np.bincount(cells, minlength=256 * len(model.tables)).reshape(-1, 256).astype(np.float64))


def _entropy(counts: npt.NDArray[np.float64]) -> float:
    chances = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return float(-(counts * np.log2(np.where(counts > 0, chances, 1))).sum()) / 8


def _measure(action: str, name: str, folder: Path) -> dict[str, float]:
    """One process: encode, decode or estimate; what it took."""
    command = [sys.executable, __file__, "--child", action, "--only", name, "--folder", str(folder)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return dict(json.loads(process.stdout.splitlines()[-1]))


def child(action: str, name: str, folder: Path) -> None:
    """The process that is measured."""
    packed = folder / name
    shapes = [(int(rows), int(columns)) for rows, columns in json.loads((folder / "shapes").read_text())]
    data = packed.read_bytes() if action == "decode" else (folder / "codes").read_bytes()
    result: dict[str, float] = {}
    began, began_wall = time.process_time(), time.perf_counter()
    if action == "decode":
        found = codecs()[name][1](data, shapes)
    elif action == "encode":
        packed.write_bytes(codecs()[name][0](split(data, shapes)))
    else:
        from loopspec.runtime.entropy import estimate_bytes

        result["bytes"] = estimate_bytes(split(data, shapes))
    result |= {"cpu": time.process_time() - began, "wall": time.perf_counter() - began_wall, "peak": _peak()}
    if action == "decode":
        assert plain(found) == (folder / "codes").read_bytes(), f"{name} does not give the codes back"
    print(json.dumps(result))


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def measured(names: Sequence[str], matrices: Sequence[Codes], folder: Path) -> dict[str, Any]:
    """Every codec in turn; a line is printed as it comes."""
    (folder / "codes").write_bytes(plain(matrices))
    (folder / "shapes").write_text(json.dumps([matrix.shape for matrix in matrices]))
    count, plain_entropy = sum(matrix.size for matrix in matrices), order_zero(matrices)
    _measure("encode", "rans", folder)
    entropy = conditional(matrices, (folder / "rans").read_bytes())
    print(f"{count:,} codes; entropy of each matrix {plain_entropy:,.0f} bytes, given classes {entropy:,.0f}")
    print(
        f"{'codec':14}{'bytes':>12}{'b/code':>8}{'over':>9}{'encode s':>10}{'decode s':>10}{'peak MB':>9}{'decode':>8}"
    )
    rows: dict[str, Any] = {"count": count, "order_zero": plain_entropy, "conditional": entropy}
    for name in names:
        encode, decode = _measure("encode", name, folder), _measure("decode", name, folder)
        size = (folder / name).stat().st_size
        over = 100 * (size / entropy - 1)
        rows[name] = {"bytes": size, "over": over, "encode": encode, "decode": decode}
        timing = f"{encode['cpu']:10.2f}{decode['cpu']:10.2f}{encode['peak'] / 1e6:9.0f}{decode['peak'] / 1e6:8.0f}"
        print(f"{name:14}{size:12,}{8 * size / count:8.3f}{over:+8.2f}%{timing}", flush=True)
    return rows


def held(rows: dict[str, Any], folder: Path) -> list[str]:
    """What of rans's limits does not hold, and how good and quick its estimate is."""
    rans = rows["rans"]
    estimate = _measure("estimate", "rans", folder)
    error = 100 * (estimate["bytes"] / rans["bytes"] - 1)
    print(f"estimate: {estimate['bytes']:,} bytes ({error:+.4f} %) in {estimate['cpu']:.2f} s")
    rows["estimate"] = estimate
    figures = {"over": rans["over"], "encode": rans["encode"]["cpu"], "decode": rans["decode"]["cpu"]}
    figures["peak"] = rans["decode"]["peak"]
    return [
        f"rans: {name} is {figures[name]:.3f}, limit {limit}" for name, limit in LIMITS.items() if figures[name] > limit
    ]


def main() -> None:
    """Prints the table; leaves with 1 where rans does not keep its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="codecs, by comma", default=",".join(codecs()))
    parser.add_argument("--codes", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.only, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as name:
        matrices = list(np.load(arguments.codes).values()) if arguments.codes else made_codes()
        rows = measured(arguments.only.split(","), matrices, Path(name))
        faults = held(rows, Path(name)) if "rans" in rows else []
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
