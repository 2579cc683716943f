"""Measures the constants of compiler/size/factors.py: bytes in the real container over the closed-form prediction.

    python tests/bench/size_factors.py [--codec KIND]... [--width N] [CHECKPOINT.npz ...]

Without arguments: one block of width 640 with a 4x MLP and a 1,024-token embedding (5.16 M weights), drawn Gaussian,
Laplace and row x column scaled, by zstd and rans. A checkpoint is an .npz of float32 weights by name; its matrices are
measured. Three columns: order-0 entropy over the closed form, bytes of the codes over it, bytes a step.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from loopspec.compiler.size.closed_form import code_bits
from loopspec.compiler.size.layout import steps
from loopspec.compiler.spec.quantization import Clip, Codec, CodecKind, Scheme
from loopspec.runtime.artifact import ArtifactContents, build_codes, build_frame
from loopspec.runtime.quantize import EncodedStore, encode
from loopspec.runtime.quantize.storage import CODES

LEVELS: dict[CodecKind, int] = {"zstd": 22, "brotli": 11, "lzma": 9, "zlib": 9}


def shapes(width: int) -> dict[str, tuple[int, int]]:
    """One block and an embedding."""
    return {
        "query": (width, width),
        "key": (width // 2, width),
        "value": (width // 2, width),
        "output": (width, width),
        "up": (4 * width, width),
        "down": (width, 4 * width),
        "embedding": (1024, width),
    }


SCHEMES = [
    Scheme("integer", 6, Clip("std", 12.85)),
    Scheme("integer", 5, Clip("std", 12.85)),
    Scheme("integer", 8, Clip("std", 20.0)),
    Scheme("integer", 6, Clip("absmax")),
    Scheme("integer", 4, Clip("absmax")),
    Scheme("integer", 8, Clip("absmax")),
    Scheme("integer", 6, Clip("percentile_search", percentiles=(0.999, 0.9995, 0.9999, 0.99999, 1.0))),
    Scheme("ternary"),
    Scheme("binary"),
    Scheme("float16"),
]
Weights = Mapping[str, np.ndarray]


def drawn(family: str, width: int) -> dict[str, np.ndarray]:
    """Weights of SHAPES; `scaled` varies its deviation by row in `up` and by column in `down`, as training does."""
    rng = np.random.default_rng(0)
    weights = {}
    for name, (rows, cols) in shapes(width).items():
        draw = rng.laplace(size=(rows, cols)) if family == "laplace" else rng.standard_normal((rows, cols))
        if family == "scaled":
            draw *= np.exp(rng.standard_normal((rows, 1)) * (0.42 if name == "up" else 0.08))
            draw *= np.exp(rng.standard_normal((1, cols)) * (0.45 if name == "down" else 0.08))
        weights[name] = (draw * 0.05).astype(np.float32)
    return weights


def measure(weights: Weights, scheme: Scheme, codec: Codec) -> tuple[float, float, float]:
    """Entropy and bytes of the codes (or float16 values) over the closed form, and bytes a step."""
    stores = {name: encode(name, array, scheme) for name, array in weights.items()}
    contents = ArtifactContents({}, stores, None, "", {})
    pool = len(build_frame(contents, codec).payloads["pool"])
    if not scheme.coded:
        values = sum(2 * array.size for array in weights.values())
        return 1.0, pool / values, 0.0
    expected = sum(array.size * code_bits(array.shape, scheme) / 8 for array in weights.values())
    count = sum(steps(array.shape, scheme) for array in weights.values())
    return entropy_bytes(stores) / expected, len(build_codes(contents, codec)) / expected, pool / count


def entropy_bytes(stores: Mapping[str, EncodedStore]) -> float:
    """Order-0 entropy of the codes, each store by its own histogram."""
    total = 0.0
    for store in stores.values():
        counts = np.unique(np.frombuffer(store.parts[CODES], np.int8), return_counts=True)[1]
        total -= float((counts * np.log2(counts / counts.sum())).sum()) / 8
    return total


def main(arguments: Sequence[str]) -> None:
    """Prints one line for each set of weights, scheme and codec."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--codec", action="append", choices=("rans", "constriction", *LEVELS))
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    given = parser.parse_args(arguments)
    families = () if given.checkpoints else ("gaussian", "laplace", "scaled")
    sets: dict[str, Weights] = {name: drawn(name, given.width) for name in families}
    for path in given.checkpoints:
        loaded = np.load(path)
        sets[path.stem] = {name: loaded[name] for name in loaded if loaded[name].size >= 2**14}
    print(f"{'weights':12} {'scheme':30} {'codec':12} entropy  codes  step bytes")
    for name, weights in sets.items():
        for scheme in SCHEMES:
            for kind in given.codec or ("zstd", "rans"):
                figures = measure(weights, scheme, Codec(kind, LEVELS.get(kind, 22)))
                print(f"{name:12} {scheme!s:30} {kind:12} " + "  ".join(f"{figure:.4f}" for figure in figures))


if __name__ == "__main__":
    main(sys.argv[1:])
