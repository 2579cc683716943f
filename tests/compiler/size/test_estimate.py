from __future__ import annotations

import subprocess
import sys
from time import process_time

import numpy as np
import pytest

from loopspec.compiler.size import (
    Estimate,
    Interval,
    SizedStore,
    estimate,
    predict_header,
    size_estimate,
    store_interval,
)
from loopspec.compiler.size.factors import POOLED_ELEMENTS
from loopspec.compiler.spec import Budget
from loopspec.compiler.spec.quantization import Clip, Codec, Gptq, RowBits, Scheme, Step
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.artifact.matrices import OWN_FRAME_BYTES
from loopspec.runtime.quantize import encode

STD6, ABSMAX6 = Scheme("integer", 6, Clip("std", 12.85)), Scheme("integer", 6, Clip("absmax"))
GRID = Scheme("rate_distortion", gptq=Gptq())
PERCENTILES = Clip("percentile_search", percentiles=(0.999, 0.9995, 0.9999, 0.99999, 1.0))
NOTHING = Interval(0, 0, 0)
SPEC = {"name": "measured", "model": {f"key_{i}": {"value": i, "about": f"number {i}"} for i in range(60)}}


def gathered(stores, codec=None, **given):
    fixed = {"header": NOTHING, "tokenizer_bytes": (0, 0, 0), "code_bytes": 0} | given
    return estimate(stores, codec or Codec(), **fixed)


def predicted(stores, codec=None, budget=None, **given):
    return size_estimate(gathered(stores, codec, **given), budget or Budget(16_000_000, 0))


def draw(family, shapes):
    rng = np.random.default_rng(0)
    one = rng.standard_normal if family == "gaussian" else lambda shape: rng.laplace(size=shape)
    return {name: one(shape) for name, shape in shapes.items()}


MEASURED = [
    (STD6, Codec("zstd", 3)),
    (STD6, Codec("zstd", 22)),
    (STD6, Codec("zlib", 9)),
    (STD6, Codec("lzma", 9)),
    (ABSMAX6, Codec("zstd", 22)),
    (Scheme("integer", 4, Clip("absmax"), Step("group", 64)), Codec("zlib", 9)),
    (Scheme("integer", 5, Clip("percentile", percentile=0.999), Step("store")), Codec("lzma", 9)),
    (Scheme("integer", 6, PERCENTILES, Step(dtype="float32")), Codec("zstd", 22)),
    (Scheme("ternary"), Codec("zlib", 9)),
    (Scheme("binary"), Codec("zstd", 22)),
]


def check_interval(family, scheme, codec):
    shapes = {"up": (256, 96), "down": (96, 256), "table": (300, 64), "scale": (96,), "gain": (5,)}
    schemes = {name: scheme if len(shape) > 1 else Scheme("float16") for name, shape in shapes.items()}
    schemes["table"] = Scheme("float16")
    stores = {name: encode(name, array, schemes[name]) for name, array in draw(family, shapes).items()}
    contents = ArtifactContents(SPEC, stores, None, "", {"corpus": "0123456789abcdef" * 4})
    measured = build_artifact(contents, codec)[1].bytes
    sized = [SizedStore(shape, schemes[name]) for name, shape in shapes.items()]
    result = predicted(sized, codec, header=predict_header(SPEC, shapes.items()))
    assert result.low_bytes <= measured <= result.high_bytes
    assert result.low_bytes < result.predicted_bytes < result.high_bytes


@pytest.mark.parametrize("family", ["gaussian", "laplace"])
@pytest.mark.parametrize(("scheme", "codec"), MEASURED, ids=str)
def test_the_interval_holds_the_measured_artifact(family, scheme, codec):
    check_interval(family, scheme, codec)


@pytest.mark.torture
@pytest.mark.parametrize("family", ["gaussian", "laplace"])
@pytest.mark.parametrize("scheme", dict.fromkeys(scheme for scheme, _ in MEASURED), ids=str)
@pytest.mark.parametrize("kind", ["rans", "brotli"])
def test_the_interval_holds_the_measured_artifact_of_slow_codecs(family, scheme, kind):
    check_interval(family, scheme, Codec(kind, 11))


def test_a_std_clip_has_a_narrow_interval_and_absmax_a_wide_one():
    std, absmax = (predicted([SizedStore((2560, 640), scheme)] * 17) for scheme in (STD6, ABSMAX6))
    assert (std.high_bytes - std.low_bytes) / std.predicted_bytes < 0.06
    assert absmax.low_bytes / absmax.predicted_bytes == pytest.approx(0.75, abs=0.01)
    assert absmax.high_bytes / absmax.predicted_bytes == pytest.approx(1.10, abs=0.01)


@pytest.mark.parametrize(("kind", "measured"), [("zstd", 12_015_433), ("brotli", 11_985_276), ("rans", 11_443_120)])
def test_a_published_set_of_matrices_is_predicted(kind, measured):
    """28,164,096 learned-like weights at int6 k=12.85 and int8 k=20, by three packers of published measurements."""
    block = [(640, 640), (320, 640), (320, 640), (640, 640), (2560, 640), (640, 2560)]
    tables = [(1024, 640), (2048, 128), (1664, 128)]
    stores = [SizedStore(shape, STD6) for shape in block * 6]
    stores += [SizedStore(shape, Scheme("integer", 8, Clip("std", 20.0))) for shape in tables]
    result = predicted(stores, Codec(kind))
    assert sum(shape[0] * shape[1] for shape in block * 6 + tables) == 28_164_096
    assert result.predicted_bytes == pytest.approx(measured, rel=0.01)
    assert result.low_bytes < measured < result.high_bytes


def test_zlib_and_lzma_of_that_set():
    weights = [SizedStore((2560, 640), STD6)] * 17
    sizes = {kind: predicted(weights, Codec(kind)).predicted_bytes for kind in ("brotli", "lzma", "zlib")}
    assert sizes["lzma"] / sizes["brotli"] == pytest.approx(12_821_520 / 11_985_276, abs=0.02)
    assert sizes["zlib"] / sizes["brotli"] == pytest.approx(13_704_526 / 11_985_276, abs=0.02)


def test_code_tokenizer_and_header_are_counted():
    bare = predicted([SizedStore((640, 640), STD6)])
    full = predicted(
        [SizedStore((640, 640), STD6)],
        header=Interval(10, 20, 30),
        tokenizer_bytes=(100, 200, 300),
        code_bytes=80_000,
        budget=Budget(90_000, 80_000),
    )
    assert full.code_bytes == 80_000 and full.limit_bytes == 90_000
    assert full.predicted_bytes - bare.predicted_bytes == 80_220
    assert full.low_bytes - bare.low_bytes == pytest.approx(80_110, abs=1)
    assert full.high_bytes - bare.high_bytes == pytest.approx(80_330, abs=1)


def test_every_shape_counts_once_for_each_store_given():
    none, one, two = (gathered([SizedStore((640, 640), STD6)] * count).fixed.predicted for count in range(3))
    assert two - none == pytest.approx(2 * (one - none))


def test_rate_distortion_takes_what_the_budget_leaves():
    stores = [SizedStore((2560, 640), GRID)] * 10 + [SizedStore((640,), Scheme("float16"))]
    result = predicted(stores, Codec("rans"), Budget(6_000_000, 50_000, 24_000), code_bytes=50_000)
    assert result.predicted_bytes == result.high_bytes == 5_976_000
    assert result.low_bytes == pytest.approx(5_976_000 * 0.9985, abs=1)
    bits = gathered(stores, Codec("rans"), code_bytes=50_000).bits_per_weight(5_976_000)
    assert bits == pytest.approx(8 * 5_926_000 / 16_384_000, abs=0.01)


def test_rate_distortion_ends_with_its_grid():
    stores = [SizedStore((2560, 640), GRID)]
    result = predicted(stores, Codec("rans"))
    assert 1_000_000 < result.low_bytes < result.predicted_bytes < result.high_bytes < 1_638_400 * 1.03
    small = predicted(stores, Codec("rans"), Budget(2_000, 0))
    assert 2_000 < small.predicted_bytes < 30_000


def test_a_target_within_the_finest_grids_interval_is_reached_or_not():
    fixed, coarsest, finest = Interval(1e5, 1e5, 1e5), Interval(0, 1, 2), Interval(1e6, 1.2e6, 1.4e6)
    most = Estimate(fixed, coarsest, finest, 1000)
    assert most.total(1_000_000) == Interval(998_000, 1_000_000, 1_000_000)
    assert most.total(1_200_000) == Interval(1_100_000, 1_200_000, 1_200_000)
    assert most.total(1_400_000) == Interval(1_100_000, 1_300_000, 1_400_000)
    assert most.total(5_000_000) == Interval(1_100_000, 1_300_000, 1_500_000)
    assert most.total(50_000) == Interval(100_000, 100_001, 100_002)
    assert Estimate(Interval(1, 2, 3)).total(50) == Interval(1, 2, 3)
    assert Estimate(Interval(1, 2, 3)).bits_per_weight(50) is None


def test_what_is_stored_beside_the_codes():
    shape, codec = (640, 640), Codec("rans")
    plain = store_interval(shape, STD6, codec).predicted
    scheme = Scheme("integer", 6, Clip("std", 12.85), Step("group", 32), error_rank=4)
    extra = store_interval(shape, scheme, codec).predicted - plain
    assert extra == pytest.approx(640 * 19 * 1.4 + 2 * 640 * 4 * 0.9 + 644 * 1.4)
    wide = store_interval(shape, Scheme("integer", 6, Clip("std", 12.85), Step(dtype="float32")), codec).predicted
    assert wide - plain == pytest.approx(640 * (3.3 - 1.4))


def test_more_bits_cost_more_and_pruning_saves():
    def size(scheme):
        return store_interval((640, 640), scheme, Codec("rans")).predicted

    absmax = [size(Scheme("integer", bits, Clip("absmax"))) for bits in range(2, 9)]
    assert absmax == sorted(absmax) and absmax[-1] > 2.5 * absmax[0]
    assert size(Scheme("integer", 6, Clip("absmax"), prune=0.5)) < 0.9 * size(ABSMAX6)
    assert size(Scheme("integer", 6, Clip("absmax"), Step(floor=1 / 31))) < 0.9 * size(ABSMAX6)
    rows = Scheme("integer", 6, Clip("absmax"), row_bits=RowBits(8, 4, 0.1))
    assert size(rows) == pytest.approx(size(ABSMAX6), rel=0.01)
    assert size(Scheme("binary")) < size(Scheme("ternary")) < absmax[1]


def test_scalars_and_vectors():
    result = predicted([SizedStore((), STD6), SizedStore((7,), ABSMAX6), SizedStore((3,), Scheme("float32"))])
    assert 168 < result.low_bytes <= result.predicted_bytes <= result.high_bytes < 168 + 40


def test_the_pools_threshold_is_the_containers():
    assert POOLED_ELEMENTS == OWN_FRAME_BYTES


def test_two_hundred_stores_take_under_ten_milliseconds_and_no_torch():
    code = "import sys, loopspec.compiler.size; print({'torch', 'numpy', 'zstandard'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
    stores = [SizedStore((640, 128 + i), STD6 if i % 2 else ABSMAX6) for i in range(200)]
    gathered(stores)
    times = []
    for _ in range(5):
        start = process_time()
        gathered(stores)
        times.append(process_time() - start)
    assert min(times) < 0.01
