"""What a scheme takes from calibration, and that it takes nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from loopspec.compiler.spec.quantization import Clip, Gptq, RowBits, Scheme, Step
from loopspec.runtime.quantize import QuantizeError, StoreStatistics, encode
from loopspec.runtime.quantize.factor import factorise
from loopspec.runtime.quantize.gptq import round_by
from loopspec.runtime.quantize.store import decode_codes, stored_steps

ROWS, COLS = 20, 12
GENERATOR = np.random.default_rng(1)
WEIGHTS = GENERATOR.standard_normal((ROWS, COLS)).astype(np.float32)
INPUTS = GENERATOR.standard_normal((60, COLS))
HESSIAN = (INPUTS.T @ INPUTS / 60).astype(np.float32)
STATISTICS = StoreStatistics(60, 1, HESSIAN, HESSIAN, np.geomspace(1e-8, 1e-2, ROWS))
INT4 = Scheme("integer", 4, Clip("absmax"))
SENSITIVE = replace(INT4, clip=Clip("sensitivity_std", k=4.0, strength=0.5))
MIXED = replace(INT4, row_bits=RowBits(6, 2, 0.2))
CALIBRATED = [replace(INT4, gptq=Gptq()), MIXED, SENSITIVE, Scheme("rate_distortion")]


@pytest.mark.parametrize("scheme", CALIBRATED, ids=str)
def test_none_is_an_error(scheme: Scheme) -> None:
    with pytest.raises(QuantizeError, match=r"^store w: .* needs calibration, and there is none; calibrate the model"):
        encode("w", WEIGHTS, scheme)


def test_that_of_another_store_is_an_error() -> None:
    with pytest.raises(QuantizeError, match=r"its calibration is of \(20, 12\), the store is \(12, 20\)"):
        encode("w", WEIGHTS.T, INT4, STATISTICS)


@pytest.mark.parametrize("outputs", [np.zeros(0), np.zeros(ROWS)])
@pytest.mark.parametrize("scheme", [MIXED, SENSITIVE], ids=str)
def test_that_without_gradients_is_an_error_for_what_needs_them(scheme: Scheme, outputs: np.ndarray) -> None:
    statistics = replace(STATISTICS, weighted=np.zeros((0, 0), np.float32), outputs=outputs)
    assert encode("w", WEIGHTS, replace(INT4, gptq=Gptq()), statistics)
    with pytest.raises(QuantizeError, match="store w: calibration has no gradients of its rows"):
        encode("w", WEIGHTS, scheme, statistics)


def test_steps_of_rate_distortion_are_not_its_own() -> None:
    with pytest.raises(QuantizeError, match="store w: the budget fixes the steps"):
        encode("w", WEIGHTS, Scheme("rate_distortion"), STATISTICS)


@pytest.mark.parametrize(
    "step", [Step("store"), Step(), Step("group", 5), Step(floor=0.2, rounds_with="exact")], ids=str
)
def test_gptq_takes_the_steps_of_rounding_to_nearest(step: Step) -> None:
    scheme = replace(INT4, step=step, gptq=Gptq(damping=0.05))
    encoded, nearest = encode("w", WEIGHTS, scheme, STATISTICS), encode("w", WEIGHTS, replace(scheme, gptq=None))
    assert encoded.parts["steps"] == nearest.parts["steps"]
    assert encoded.parts["codes"] != nearest.parts["codes"]
    if step.per == "row" and step.rounds_with == "stored":
        expected = round_by(factorise(HESSIAN, Gptq(damping=0.05), "w"), WEIGHTS, stored_steps(encoded), 7)[0]
        assert np.array_equal(decode_codes(encoded), expected)


def test_a_hessian_that_is_not_positive_definite_is_an_error_that_names_the_store() -> None:
    broken = replace(STATISTICS, inputs=np.float32(np.ones((COLS, COLS)) - 3 * np.eye(COLS)))
    with pytest.raises(QuantizeError, match="store w: its Hessian"):
        encode("w", WEIGHTS, replace(INT4, gptq=Gptq()), broken)


@pytest.mark.parametrize("gptq", [None, Gptq()])
def test_mixed_rows_have_the_grids_of_their_bits(gptq: Gptq | None) -> None:
    encoded = encode("w", WEIGHTS, replace(MIXED, gptq=gptq), STATISTICS)
    assert encoded.storage.levels == 31
    levels = np.array([1] * 4 + [7] * 12 + [31] * 4)
    codes = decode_codes(encoded)
    assert np.array_equal(np.abs(codes).max(axis=1), levels)
    for bits, rows in ((2, slice(0, 4)), (4, slice(4, 16)), (6, slice(16, 20))):
        alone = encode(
            "w",
            WEIGHTS[rows],
            replace(INT4, bits=bits, gptq=gptq),
            replace(STATISTICS, outputs=np.ones(len(WEIGHTS[rows]))),
        )
        assert np.array_equal(decode_codes(alone), codes[rows])


def test_mixed_rows_need_a_step_for_each() -> None:
    for scheme in (replace(MIXED, step=Step("store")), replace(SENSITIVE, step=Step("store"))):
        with pytest.raises(QuantizeError, match="needs steps by row or group"):
            encode("w", WEIGHTS, scheme, STATISTICS)


@pytest.mark.parametrize(
    ("row_bits", "message"),
    [
        (RowBits(3, 2), "not below and above the 4"),
        (RowBits(9, 2), "9 bits"),
        (RowBits(8, 2, 0.6), "share of the rows"),
    ],
)
def test_mixed_rows_that_cannot_be(row_bits: RowBits, message: str) -> None:
    with pytest.raises(QuantizeError, match=message):
        encode("w", WEIGHTS, replace(INT4, row_bits=row_bits), STATISTICS)


def test_grids_reach_further_where_rows_are_sensitive() -> None:
    outputs = np.linspace(0, 2, ROWS)
    statistics = replace(STATISTICS, outputs=outputs)
    steps = stored_steps(encode("w", WEIGHTS, replace(SENSITIVE, step=Step(dtype="float32")), statistics))[:, 0]
    expected = 4 * WEIGHTS.std(axis=1, dtype=np.float64) * (1 + 0.5 * (outputs / outputs.mean() - 1)) / 7
    np.testing.assert_allclose(steps, expected, rtol=1e-6)


@pytest.mark.parametrize(("k", "least"), [(4.0, 1.0), (0.75, 0.75)])
def test_the_grid_of_a_row_without_gradient_ends_at_one_deviation_or_at_k(k: float, least: float) -> None:
    statistics = replace(STATISTICS, outputs=np.eye(ROWS)[0])
    clip = Clip("sensitivity_std", k=k, strength=1.0)
    weights = WEIGHTS - WEIGHTS.mean(axis=1, keepdims=True)
    steps = stored_steps(encode("w", weights, replace(SENSITIVE, clip=clip, step=Step(dtype="float32")), statistics))
    expected = least * weights.std(axis=1, dtype=np.float64) / 7
    np.testing.assert_allclose(steps[1:, 0], expected[1:], rtol=1e-6)
