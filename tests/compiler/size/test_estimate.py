from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import numpy as np
import pytest

from loopspec.compiler.size import Interval, SizedStore, predict_header, predict_size
from loopspec.compiler.size.factors import POOLED_ELEMENTS
from loopspec.compiler.spec.quantization import Clip, Codec, Scheme
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.artifact.layout import OWN_FRAME_BYTES
from loopspec.runtime.quantize import encode

STD6, ABSMAX6 = Scheme("integer", 6, Clip("std", 12.85)), Scheme("integer", 6, Clip("absmax"))
NOTHING = Interval(0, 0, 0)
SPEC = {"name": "measured", "model": {f"key_{i}": {"value": i, "about": f"number {i}"} for i in range(60)}}


def estimate(stores, codec=None, **given):
    fixed = {"header": NOTHING, "tokenizer_bytes": (0, 0, 0), "code_bytes": 0, "limit_bytes": 16_000_000} | given
    return predict_size(stores, codec or Codec(), **fixed)


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
@pytest.mark.parametrize("scheme", [STD6, ABSMAX6], ids=str)
@pytest.mark.parametrize("level", [3, 22])
def test_the_interval_holds_the_measured_artifact(family, scheme, level):
    rng = np.random.default_rng(0)
    draw = rng.standard_normal if family == "gaussian" else lambda shape: rng.laplace(size=shape)
    shapes = {"up": (512, 320), "down": (320, 512), "table": (300, 64), "scale": (320,), "gain": (5,)}
    schemes = {name: scheme if len(shape) > 1 else Scheme("float16") for name, shape in shapes.items()}
    schemes["table"] = Scheme("float16")
    stores = {name: encode(name, draw(shape), schemes[name]) for name, shape in shapes.items()}
    contents = ArtifactContents(SPEC, stores, None, "", {"corpus": "0123456789abcdef" * 4})
    measured = build_artifact(contents, Codec(level=level))[1].bytes
    result = estimate(
        [SizedStore(shape, schemes[name]) for name, shape in shapes.items()],
        Codec(level=level),
        header=predict_header(SPEC, shapes.items()),
    )
    assert result.low_bytes <= measured <= result.high_bytes
    assert result.low_bytes < result.predicted_bytes < result.high_bytes


def test_a_std_clip_has_a_narrow_interval_and_absmax_a_wide_one():
    std, absmax = (estimate([SizedStore((2560, 640), scheme)] * 17) for scheme in (STD6, ABSMAX6))
    assert (std.high_bytes - std.low_bytes) / std.predicted_bytes < 0.06
    assert absmax.low_bytes / absmax.predicted_bytes == pytest.approx(0.75, abs=0.01)
    assert absmax.high_bytes / absmax.predicted_bytes == pytest.approx(1.10, abs=0.01)


def test_a_published_set_of_matrices_is_predicted():
    """28,164,096 learned-like weights at int6 k=12.85 and int8 k=20 took 12,015,433 bytes as raw codes and zstd 22."""
    block = [(640, 640), (320, 640), (320, 640), (640, 640), (2560, 640), (640, 2560)]
    tables = [(1024, 640), (2048, 128), (1664, 128)]
    stores = [SizedStore(shape, STD6) for shape in block * 6]
    stores += [SizedStore(shape, Scheme("integer", 8, Clip("std", 20.0))) for shape in tables]
    result = estimate(stores)
    assert sum(shape[0] * shape[1] for shape in block * 6 + tables) == 28_164_096
    assert result.predicted_bytes == pytest.approx(12_015_433, rel=0.01)
    assert result.low_bytes < 12_015_433 < result.high_bytes


def test_code_tokenizer_and_header_are_counted():
    bare = estimate([SizedStore((640, 640), STD6)])
    full = estimate(
        [SizedStore((640, 640), STD6)],
        header=Interval(10, 20, 30),
        tokenizer_bytes=(100, 200, 300),
        code_bytes=80_000,
        limit_bytes=90_000,
    )
    assert full.code_bytes == 80_000 and full.limit_bytes == 90_000
    assert full.predicted_bytes - bare.predicted_bytes == 80_220
    assert full.low_bytes - bare.low_bytes == pytest.approx(80_110, abs=1)
    assert full.high_bytes - bare.high_bytes == pytest.approx(80_330, abs=1)


def test_every_shape_counts_once_for_each_store_given():
    one, two = (estimate([SizedStore((640, 640), STD6)] * count).predicted_bytes - 60 for count in (1, 2))
    assert two == pytest.approx(2 * one, abs=1)


def test_scalars_and_vectors():
    result = estimate([SizedStore((), STD6), SizedStore((7,), ABSMAX6), SizedStore((3,), Scheme("float32"))])
    assert 60 < result.low_bytes <= result.predicted_bytes <= result.high_bytes < 60 + 40


def test_the_pools_threshold_is_the_containers():
    assert POOLED_ELEMENTS == OWN_FRAME_BYTES


def test_two_hundred_stores_take_under_five_milliseconds_and_no_torch():
    code = "import sys, loopspec.compiler.size; print({'torch', 'numpy', 'zstandard'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
    stores = [SizedStore((640, 128 + i), STD6 if i % 2 else ABSMAX6) for i in range(200)]
    estimate(stores)
    times = []
    for _ in range(5):
        start = perf_counter()
        estimate(stores)
        times.append(perf_counter() - start)
    assert min(times) < 0.005
