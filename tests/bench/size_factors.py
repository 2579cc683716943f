"""Measures the constants of compiler/size/factors.py: bytes in the real container over the closed-form prediction.

    python tests/bench/size_factors.py [CHECKPOINT.npz ...]

Without arguments: one block of width 640 with a 4x MLP and a 1,024-token embedding (5.16 M weights), drawn Gaussian,
Laplace and row x column scaled. A checkpoint is an .npz of float32 weights by name; its matrices are measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from loopspec.compiler.size import gaussian_entropy, row_maximum
from loopspec.compiler.spec.quantization import Clip, Codec, Scheme
from loopspec.runtime.artifact.contents import ArtifactContents
from loopspec.runtime.artifact.header import header_of
from loopspec.runtime.artifact.layout import join_frames, own_frames
from loopspec.runtime.artifact.section import compress_frames
from loopspec.runtime.quantize import encode

SHAPES = {
    "query": (640, 640),
    "key": (320, 640),
    "value": (320, 640),
    "output": (640, 640),
    "up": (2560, 640),
    "down": (640, 2560),
    "embedding": (1024, 640),
}
SCHEMES = [
    Scheme("integer", 6, Clip("std", 12.85)),
    Scheme("integer", 5, Clip("std", 12.85)),
    Scheme("integer", 8, Clip("std", 20.0)),
    Scheme("integer", 6, Clip("absmax")),
    Scheme("integer", 8, Clip("absmax")),
    Scheme("float16"),
]


def drawn(family: str) -> dict[str, np.ndarray]:
    """Weights of SHAPES; `scaled` varies its deviation by row in `up` and by column in `down`, as training does."""
    rng = np.random.default_rng(0)
    weights = {}
    for name, (rows, cols) in SHAPES.items():
        draw = rng.laplace(size=(rows, cols)) if family == "laplace" else rng.standard_normal((rows, cols))
        if family == "scaled":
            draw *= np.exp(rng.standard_normal((rows, 1)) * (0.42 if name == "up" else 0.08))
            draw *= np.exp(rng.standard_normal((1, cols)) * (0.45 if name == "down" else 0.08))
        weights[name] = (draw * 0.05).astype(np.float32)
    return weights


def predicted_bytes(shape: tuple[int, ...], scheme: Scheme) -> float:
    """Closed form, without any factor: the codes' entropy, or two bytes a float16."""
    elements = int(np.prod(shape))
    if scheme.kind != "integer":
        return 2.0 * elements
    assert scheme.bits is not None and scheme.clip is not None
    k = scheme.clip.k or row_maximum(elements // shape[0])
    return elements * gaussian_entropy(scheme.bits, k) / 8


def measure(weights: dict[str, np.ndarray], scheme: Scheme) -> tuple[float, float]:
    """Factor of the codes (or float16 values), and bytes a row of the steps."""
    stores = {name: encode(name, array, scheme) for name, array in weights.items()}
    header = header_of(ArtifactContents({}, stores, None, "", {}))
    frames = compress_frames(join_frames(header, stores, None), len(own_frames(header)), Codec().level)
    values = frames if scheme.kind != "integer" else frames[:-1]
    rows = sum(array.shape[0] for array in weights.values())
    expected = sum(predicted_bytes(array.shape, scheme) for array in weights.values())
    return sum(len(frame) + 4 for frame in values) / expected, len(frames[-1]) / rows


def main(checkpoints: list[str]) -> None:
    """Prints one line for each set of weights and scheme."""
    sets = {name: drawn(name) for name in ("gaussian", "laplace", "scaled")} if not checkpoints else {}
    for path in checkpoints:
        loaded = np.load(path)
        sets[Path(path).stem] = {name: loaded[name] for name in loaded if loaded[name].size >= 2**14}
    print(f"{'weights':12} {'scheme':22} factor  step bytes")
    for name, weights in sets.items():
        for scheme in SCHEMES:
            factor, step = measure(weights, scheme)
            print(f"{name:12} {scheme!s:22} {factor:.4f}" + (f"  {step:.3f}" if scheme.kind == "integer" else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
