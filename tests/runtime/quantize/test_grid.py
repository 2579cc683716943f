"""The rate-distortion grid: its steps by their formula, what its codes cost, and the artifact's bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.spec.quantization import Gptq
from loopspec.runtime.quantize.errors import QuantizeError
from loopspec.runtime.quantize.grid import GridOptions, encode_grid, grid_codes, plan_grid, predicted_loss
from loopspec.runtime.quantize.statistics import StoreStatistics
from loopspec.runtime.quantize.store import decode


def _statistics(rows: int, cols: int, seed: int = 0) -> StoreStatistics:
    generator = np.random.default_rng(seed)
    inputs = generator.standard_normal((4 * cols, cols)) * np.exp(generator.standard_normal(cols))
    gradients = generator.standard_normal((4 * cols, rows)) * np.exp(generator.standard_normal(rows)) * 0.01
    squares = gradients**2
    weighted = (inputs * squares.mean(axis=1, keepdims=True)).T @ inputs / len(inputs)
    mean = inputs.T @ inputs / len(inputs)
    return StoreStatistics(len(inputs), 1, mean.astype(np.float32), weighted.astype(np.float32), squares.mean(axis=0))


def _weights(rows: int, cols: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)


def test_steps_by_the_formula():
    statistics = _statistics(10, 24)
    grid = plan_grid("w", _weights(10, 24), statistics, GridOptions(Gptq(0.02), 64.0, 8.0))
    dense = statistics.weighted.astype(np.float64)
    dense += 0.02 * np.diag(dense).mean() * np.eye(24)
    order = np.argsort(-np.diag(dense), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(dense[np.ix_(order, order)])).T
    scale = np.empty(24)
    scale[order] = np.diag(upper)
    rows = np.sqrt(statistics.outputs.mean() / statistics.outputs)
    np.testing.assert_allclose(grid.steps(3.0), 3.0 * np.outer(rows, scale), rtol=2 ** (1 / 16) - 1)


def test_clips_are_kept():
    statistics = replace(_statistics(12, 30), outputs=np.array([0.0, 1e-30, *np.ones(10)]))
    grid = plan_grid("w", _weights(12, 30), statistics, GridOptions(column_clip=1.5, row_clip=2.0))
    assert (grid.rows[:2] == 16).all() and (np.abs(grid.rows[2:]) < 16).all()
    assert np.abs(grid.columns(1.0)).max() == np.floor(16 * np.log2(1.5))
    alike = plan_grid("w", _weights(12, 30), statistics, GridOptions(column_clip=1.0, row_clip=1.0))
    assert np.ptp(alike.steps(1.0)) == 0


@examples(50)
@given(
    st.integers(1, 9), st.integers(1, 40), st.integers(0, 999), st.floats(-9, 4), st.sampled_from(["gptq", "nearest"])
)
def test_what_is_encoded_decodes_to_codes_times_steps(rows: int, cols: int, seed: int, power: float, rounding: str):
    weights, statistics, lam = _weights(rows, cols, seed), _statistics(rows, cols, seed), 10.0**power
    grid = plan_grid("w", weights, statistics, GridOptions(row_clip=2.0))
    found = grid_codes(weights, grid, lam, rounding)
    decoded = decode(encode_grid("w", weights, grid, lam, rounding))
    assert (decoded == found.codes * grid.steps(lam)).all() and decoded.dtype == np.float32
    assert predicted_loss(weights, decoded, statistics) == pytest.approx(found.loss, rel=1e-4, abs=1e-12)


def test_no_weight_lies_beyond_the_grid():
    weights = _weights(6, 20)
    weights[2, 5] = 400.0
    grid = plan_grid("w", weights, _statistics(6, 20), GridOptions(row_clip=2.0))
    for lam in (1e-30, 1e-6, 1e-2, 1.0, 100.0):
        steps = grid.steps(lam)
        nearest = grid_codes(weights, grid, lam, "nearest")
        assert nearest.clamped == 0 and (np.abs(nearest.codes * steps - weights) <= 0.501 * steps).all()
    assert (grid.steps(grid.finest * 0.99) == grid.steps(1e-30)).all()
    assert (grid.steps(grid.finest * 1.2) > grid.steps(grid.finest)).any()


@pytest.mark.parametrize("seed", range(5))
def test_the_finest_grid_uses_every_code(seed: int):
    weights = _weights(30, 20, seed)
    grid = plan_grid("w", weights, _statistics(30, 20, seed))
    codes = grid_codes(weights, grid, 1e-30, "nearest").codes
    assert (np.abs(codes).max(axis=0) > 127 / 2 ** (1 / 16) - 1).all()


def test_weights_of_zero():
    weights = np.zeros((3, 4), np.float32)
    grid = plan_grid("w", weights, _statistics(3, 4))
    assert not grid_codes(weights, grid, 0.01).codes.any() and not decode(encode_grid("w", weights, grid, 0.01)).any()


def test_loss_falls_with_lambda_and_gptq_beats_nearest():
    weights, statistics = _weights(64, 48), _statistics(64, 48)
    grid = plan_grid("w", weights, statistics)
    unit = 0.3 / grid.base
    found = [grid_codes(weights, grid, unit * scale) for scale in (0.25, 0.5, 1.0, 2.0)]
    losses = [each.loss for each in found]
    assert losses == sorted(losses) and all(each.loss < each.nearest_loss for each in found)
    nearest = grid_codes(weights, grid, unit, "nearest")
    assert nearest.loss == nearest.nearest_loss == found[2].nearest_loss


def test_every_weight_costs_the_same():
    """With GPTQ, the rise of the loss is that of independent errors step^2 / 12 at cost 1 / U^2: n lambda^2 / 24."""
    weights, statistics = _weights(400, 32), replace(_statistics(400, 32), outputs=np.ones(400))
    grid = plan_grid("w", weights, statistics, GridOptions(Gptq(1e-5), column_clip=64.0))
    lam = 0.1 / grid.base
    assert grid_codes(weights, grid, lam).loss == pytest.approx(weights.size * lam**2 / 24, rel=0.1)


def test_predicted_loss_by_its_formula():
    weights, statistics = _weights(5, 7), _statistics(5, 7)
    decoded = weights + np.random.default_rng(3).standard_normal((5, 7)).astype(np.float32)
    error = (decoded - weights).astype(np.float64)
    share = statistics.outputs / statistics.outputs.mean()
    expected = sum(share[i] * error[i] @ statistics.weighted @ error[i] for i in range(5)) / 2
    assert predicted_loss(weights.reshape(5, 1, 7), decoded.reshape(5, 1, 7), statistics) == pytest.approx(expected)
    assert predicted_loss(weights, decoded, replace(statistics, outputs=np.zeros(5))) == 0


def test_columns_of_one_step_cost_more_at_the_same_rate():
    weights, statistics = _weights(400, 32), _statistics(400, 32)
    own = plan_grid("w", weights, statistics, GridOptions(column_clip=64.0))
    one = plan_grid("w", weights, statistics, GridOptions(column_clip=1.0))
    lam = 0.1 / own.base
    assert grid_codes(weights, own, lam).loss < 0.8 * grid_codes(weights, one, lam).loss


def test_refusals():
    weights, statistics = _weights(6, 20), _statistics(6, 20)
    with pytest.raises(
        QuantizeError, match=r"store w: .* 6 x 20 weights needs their gradients.*calibrate with gradients"
    ):
        plan_grid("w", weights, replace(statistics, weighted=np.zeros((0, 0), np.float32)))
    with pytest.raises(QuantizeError, match="store w: no calibration input reached it"):
        plan_grid("w", weights, replace(statistics, weighted=np.zeros((20, 20), np.float32)))
    grid = plan_grid("w", weights, statistics)
    with pytest.raises(QuantizeError, match=r"store w: lambda 1e\+60 makes its step"):
        grid_codes(weights, grid, 1e60)
    weights[0, 0] = np.nan
    with pytest.raises(QuantizeError, match="store w: 1 of 120 weights are not finite"):
        grid_codes(weights, grid, 1.0)


def test_a_column_that_no_input_reaches_changes_no_other_step():
    statistics, weights = _statistics(12, 20), _weights(12, 20)
    weighted = statistics.weighted.copy()
    weighted[4] = weighted[:, 4] = 0
    weights[:, 4] *= 1e6  # its weights become zero, so that no step need reach them
    live = np.arange(20) != 4
    smaller = replace(statistics, weighted=weighted[live][:, live], inputs=statistics.inputs[live][:, live])
    found, want = (
        plan_grid("w", weights, replace(statistics, weighted=weighted)),
        plan_grid("w", weights[:, live], smaller),
    )
    assert (found.planned_columns[live] == want.planned_columns).all() and abs(found.base / want.base - 1) < 1e-6
    codes = [
        grid_codes(each, grid, want.finest * 4).codes for each, grid in ((weights, found), (weights[:, live], want))
    ]
    assert (codes[0][:, live] == codes[1]).mean() > 0.99 and not codes[0][:, 4].any() and found.finest == want.finest
