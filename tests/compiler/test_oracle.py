"""The emitted module equals the naive interpreter on random specs: forward bit for bit, gradients to 1e-6 relative."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from support.oracle import Oracle
from support.random_specs import specs

from loopspec.compiler import check_spec
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.compiler.source.report import render


def plan_of(plain: dict[str, Any]) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.yaml"
        path.write_text(json.dumps(plain))
        checked = check_spec(path)
    assert checked.ok, render("text", checked.diagnostics, checked.document.texts)
    assert checked.plan is not None
    return checked.plan


def check_against_oracle(plain: dict[str, Any]) -> None:
    plan = plan_of(plain)
    module = build_module(plan, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():  # away from the start, where many branches are exactly zero
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    tokens = torch.randint(0, 11, (2, 8), generator=generator)
    targets = torch.randint(0, 11, (2, 8), generator=generator)
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    for mode in plan.modes:
        oracle = Oracle(plan, weights, mode)
        logits, loss = oracle.run(tokens, targets)
        assert torch.equal(module(tokens, mode=mode), logits)
        module.zero_grad()
        module_loss = module(tokens, targets, mode=mode)
        assert torch.equal(module_loss, loss)
        module_loss.backward()
        loss.backward()
        compare_gradients(module, oracle, plan, mode)


def compare_gradients(module: torch.nn.Module, oracle: Oracle, plan: Plan, mode: str) -> None:
    expected = oracle.gradients()
    for name, parameter in module.named_parameters():
        if name not in expected:
            assert parameter.grad is None, f"{name} has a gradient in mode {mode}, which does not read it"
            continue
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        scale = expected[name].norm().item()
        assert (gradient.double() - expected[name]).norm().item() <= 1e-6 * max(scale, 1e-3), name


@given(specs())
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_emitted_module_equals_the_interpreter(plain: dict[str, Any]) -> None:
    check_against_oracle(plain)


@pytest.mark.torture
@given(specs())
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
def test_emitted_module_equals_the_interpreter_at_length(plain: dict[str, Any]) -> None:
    check_against_oracle(plain)
