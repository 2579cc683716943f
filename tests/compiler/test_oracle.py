"""The emitted module equals the naive interpreter on random specs: forward bit for bit, gradients to 1e-6 relative."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from support.examples import examples
from support.oracle import Oracle
from support.random_specs import specs

from loopspec.compiler import check_spec
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graph.model import Port
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
    oracle = Oracle(plan, weights)
    for mode in plan.modes:
        with torch.no_grad():
            expected = oracle.run(mode, tokens, targets)
            assert torch.equal(module.eval()(tokens, mode=mode), expected.logits)
            if plan.states:
                expected = oracle.run(mode, tokens, targets)
            assert torch.equal(module(tokens, targets, mode=mode), expected.values[Port("output/loss")])
        if expected.changes:
            assert [float(a) for a in module.changes] == [float(b) for b in expected.changes]
        check_training_step(module.train(), oracle, mode, tokens, targets)


def check_training_step(
    module: torch.nn.Module, oracle: Oracle, mode: str, tokens: torch.Tensor, targets: torch.Tensor
) -> None:
    """Loss bit for bit, gradients on exactly the stores that the plan says, each the sum over its sites."""
    module.zero_grad()
    expected = oracle.run(mode, tokens, targets, training=True)
    loss = module(tokens, targets, mode=mode)
    assert torch.equal(loss, expected.loss)
    loss.backward()
    expected.loss.backward()
    gradients, scales = oracle.gradients(), oracle.gradient_scales()
    parameters = dict(module.named_parameters())
    for store in oracle.plan.stores:
        gradient = parameters[store.name].grad
        assert (gradient is not None) == (mode in store.gradient_modes) == (store.name in gradients), store.name
        if gradient is not None:
            scale = max(scales[store.name], 1e-3)
            assert (gradient.double() - gradients[store.name]).norm().item() <= 1e-6 * scale, store.name


@given(specs())
@examples(60, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_emitted_module_equals_the_interpreter(plain: dict[str, Any]) -> None:
    check_against_oracle(plain)


@pytest.mark.torture
@given(specs())
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
def test_emitted_module_equals_the_interpreter_at_length(plain: dict[str, Any]) -> None:
    check_against_oracle(plain)
