"""Real bytes of Gaussian weights lie within the interval, for any policy of fixed grids and any coder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.compiler.rules.grids import mean_beyond
from loopspec.compiler.size import store_interval
from loopspec.compiler.size.coders import OVER_ENTROPY
from loopspec.compiler.size.entropy import (
    gaussian_masses,
    huffman_bits,
    kept_deviation,
    kept_magnitude,
    passed_on_masses,
    rounding_error,
)
from loopspec.compiler.size.layout import unit_elements
from loopspec.compiler.spec.quantization import Clip, Codec, Gptq, RowBits, Scheme, Step
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.quantize import encode
from loopspec.runtime.quantize.statistics import StoreStatistics

LEVELS = {"zstd": 19, "brotli": 11, "lzma": 9, "zlib": 9}
STD6 = Clip("std", 12.85)
SHAPE = (160, 200)


def statistics(rows: int, columns: int, rng: np.random.Generator, spread: float) -> StoreStatistics:
    inputs = rng.standard_normal((4 * columns, columns)) @ (np.eye(columns) + 0.2 * rng.standard_normal((columns,) * 2))
    moments = (inputs.T @ inputs / len(inputs)).astype(np.float32)
    return StoreStatistics(4 * columns, 1, moments, moments, np.exp(spread * rng.standard_normal(rows)))


def check_interval(scheme: Scheme, codec: Codec, shape=SHAPE, deviation: float = 0.05, spread: float = 1.0) -> None:
    rng = np.random.default_rng(0)
    weights = (deviation * rng.standard_normal(shape)).astype(np.float32)
    measured = statistics(*shape, rng, spread) if scheme.calibrated else None
    contents = ArtifactContents({"a": 1}, {"w": encode("w", weights, scheme, measured)}, None, "", {})
    real = sum(build_artifact(contents, codec)[1].stream_bytes.values())
    found = store_interval(shape, scheme, codec)
    assert found.low <= real <= found.high, (real, found)
    assert found.low <= found.predicted <= found.high


MISSED = [
    Scheme("integer", 6, STD6, prune=0.9),
    Scheme("integer", 6, STD6, prune=0.9, gptq=Gptq()),
    Scheme("integer", 4, STD6, gptq=Gptq()),
    Scheme("integer", 3, STD6),
    Scheme("integer", 6, Clip("std", 30.0)),
    Scheme("integer", 6, Clip("sensitivity_std", 12.85, 0.8)),
    Scheme("integer", 6, STD6, row_bits=RowBits(8, 2, 0.4)),
    Scheme("integer", 2, Clip("absmax")),
    Scheme("ternary", step=Step(floor=0.2)),
    Scheme("ternary", prune=0.9),
]
"""At the edges of what factors were fitted to."""


@pytest.mark.parametrize("kind", ["rans", "zstd"])
@pytest.mark.parametrize("scheme", MISSED, ids=str)
def test_the_edges(scheme: Scheme, kind: str) -> None:
    check_interval(scheme, Codec(kind, LEVELS.get(kind, 22)))


@pytest.mark.torture
@pytest.mark.parametrize("kind", OVER_ENTROPY)
@pytest.mark.parametrize("scheme", MISSED, ids=str)
def test_the_edges_of_larger_matrices_and_all_coders(scheme: Scheme, kind: str) -> None:
    check_interval(scheme, Codec(kind, LEVELS.get(kind, 22)), (512, 512))


@st.composite
def schemes(draw) -> Scheme:
    kind = draw(st.sampled_from(["integer", "integer", "integer", "ternary", "binary"]))
    per = draw(st.sampled_from(["row", "row", "store", "group"]))
    floor = draw(st.sampled_from([0.0, 0.0, 0.01, 1 / 31, 0.2]))
    step = Step(per, draw(st.sampled_from([16, 50, 128])) if per == "group" else None, floor=floor)
    prune = 0.0 if kind == "binary" else draw(st.sampled_from([0.0, 0.0, 0.3, 0.6, 0.9]))
    if kind != "integer":
        return Scheme(kind, step=step, prune=prune)
    k = draw(st.floats(1.0, 40.0))
    clip = draw(
        st.sampled_from(
            [
                Clip("absmax"),
                Clip("std", k),
                Clip("sensitivity_std", k, draw(st.floats(0.0, 1.0))),
                Clip("percentile", percentile=draw(st.floats(0.95, 1.0))),
                Clip("percentile_search", percentiles=(0.9, 0.99, 1.0)),
            ]
        )
    )
    gptq = draw(st.sampled_from([None, Gptq()]))
    mixed = draw(st.sampled_from([None, None, RowBits(8, 2, 0.2)]))
    if per == "store" and (mixed is not None or clip.kind == "sensitivity_std"):
        step = Step(floor=floor)
    return Scheme("integer", draw(st.integers(2, 8)), clip, step, gptq, mixed, prune)


def writable(scheme: Scheme, shape: tuple[int, int]) -> bool:
    """Whether rules let it through that concern the units' sizes, which are small here."""
    clip, samples = scheme.clip, unit_elements(shape, scheme)
    samples = min(samples, shape[1] % samples or samples)
    if clip is None:
        return True
    if clip.k is not None:
        least = clip.k * clip.least_factor if clip.kind == "sensitivity_std" else clip.k
        return mean_beyond(samples, least) * shape[0] * shape[1] / samples < 1e-3
    return not (clip.kind == "percentile" and scheme.prune > 0.5 and samples < 100)


@pytest.mark.torture
@given(
    schemes(),
    st.sampled_from(sorted(OVER_ENTROPY)),
    st.floats(0.01, 0.5),
    st.floats(0.05, 1.5),  # equal sensitivities would leave no row other bits
)
@settings(deadline=None)
def test_any_policy(scheme: Scheme, kind: str, deviation: float, spread: float) -> None:
    if writable(scheme, (256, 256)):
        check_interval(scheme, Codec(kind, LEVELS.get(kind, 22)), (256, 256), deviation, spread)


@pytest.mark.parametrize(("levels", "step"), [(1, 3.0), (3, 1.0), (31, 0.4), (7, 1.8), (3, 0.2)])
def test_the_error_of_rounding_a_sample(levels: int, step: float) -> None:
    values = np.random.default_rng(0).standard_normal(1_000_000)
    rounded = np.rint(values / step).clip(-levels, levels) * step
    assert rounding_error(levels, step) == pytest.approx(float(np.square(values - rounded).mean()), rel=0.01)


@pytest.mark.parametrize("pruned", [0.0, 0.3, 0.9])
def test_what_pruning_leaves_of_a_sample(pruned: float) -> None:
    values = np.random.default_rng(0).standard_normal(1_000_000)
    values[np.abs(values) < np.quantile(np.abs(values), pruned)] = 0
    assert kept_deviation(pruned) == pytest.approx(values.std(), rel=3e-3)
    assert kept_magnitude(pruned) == pytest.approx(np.abs(values).mean(), rel=3e-3)


def test_errors_that_are_passed_on_widen_what_is_kept() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(1_000_000)
    kept = np.abs(values) >= np.quantile(np.abs(values), 0.8)
    noisy = np.where(kept, values + 0.7 * rng.standard_normal(values.size), 0)
    shares = np.bincount(np.minimum(np.rint(np.abs(noisy) / 0.5), 7).astype(int), minlength=8) / values.size
    assert passed_on_masses(7, 0.5, 0.8, 0.49) == pytest.approx(shares, abs=3e-3)
    wide = passed_on_masses(7, 0.5, 0.0, 3.0)
    assert wide == pytest.approx(gaussian_masses(7, 0.25))


def test_huffman_words() -> None:
    assert huffman_bits([1.0]) == huffman_bits([0.0, 1.0]) == 1.0
    assert huffman_bits([0.5, 0.5]) == pytest.approx(1.5)
    assert huffman_bits([0.9, 0.1]) == pytest.approx(1.1)
    assert huffman_bits([0.25, 0.5, 0.25]) == pytest.approx(2.25)
