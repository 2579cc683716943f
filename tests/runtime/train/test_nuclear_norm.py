"""The proximal step of the nuclear norm: which matrices, when, and by how much."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.small_specs import plan_of, small
from torch import nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.train.nuclear_norm import NuclearNorm, shrink_singular_values


def planned(penalty: dict[str, Any] | None, **train: Any) -> tuple[Plan, dict[str, nn.Parameter]]:
    train |= {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 10}}
    plan = plan_of(small(train=train | {"penalties": {"nuclear_norm": penalty}}))
    torch.manual_seed(0)
    parameters = dict(build_module(plan).named_parameters())
    for parameter in parameters.values():
        nn.init.normal_(parameter)
    return plan, parameters


@examples(30)
@given(rows=st.integers(1, 9), cols=st.integers(1, 9), threshold=st.floats(0, 3), seed=st.integers(0, 50))
def test_singular_values_fall_and_vectors_stay(rows: int, cols: int, threshold: float, seed: int) -> None:
    matrix = torch.randn(rows, cols, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    shrunk = shrink_singular_values(matrix, threshold)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    expected = left @ torch.diag((values - threshold).clamp_min(0)) @ right
    torch.testing.assert_close(shrunk, expected, atol=1e-9, rtol=0)
    # optimality of the proximal map: its residual is a subgradient of the nuclear norm times the threshold
    residual = matrix - shrunk
    assert torch.linalg.matrix_norm(residual, 2) <= threshold + 1e-9
    norm = torch.linalg.svdvals(shrunk).sum()
    torch.testing.assert_close((residual * shrunk).sum(), threshold * norm, atol=1e-8, rtol=0)


def test_only_trained_matrices_that_match_and_only_when_due() -> None:
    plan, parameters = planned(
        {"weight": 0.5, "every": 3, "match": {"name": "blocks.*"}},
        assign=[{"match": {"name": "blocks.core.0.mlp.up"}, "to": "frozen"}, {"to": "declared"}],
    )
    penalty = NuclearNorm(plan, parameters)
    expected = {s.name for s in plan.stores if s.name.startswith("blocks.") and len(s.shape) == 2}
    assert penalty.parameters.keys() == expected - {"blocks.core.0.mlp.up"} and len(expected) > 8
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    assert [penalty.apply(step, 0.5) for step in (1, 2)] == [0, 0]
    assert all(torch.equal(parameters[name], before[name]) for name in before)
    assert penalty.apply(3, 0.5) == len(expected) - 1
    for name, parameter in parameters.items():
        if name in penalty.parameters:
            fell = torch.linalg.svdvals(before[name]) - torch.linalg.svdvals(parameter.detach())
            torch.testing.assert_close(fell, torch.linalg.svdvals(before[name]).clamp_max(0.25), atol=1e-4, rtol=0)
        else:
            assert torch.equal(parameter, before[name])
    assert penalty.apply(6, 0.0) == 0


@pytest.mark.parametrize("step", [1, 50])
def test_without_a_penalty_nothing_happens(step: int) -> None:
    plan, parameters = planned(None)
    penalty = NuclearNorm(plan, parameters)
    assert penalty.apply(step, 1.0) == 0 and not penalty.parameters
