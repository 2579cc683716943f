"""Muon against the vectors of the published runs and against torch.optim.Muon."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from loopspec.runtime.optim.muon import Muon, default_dtype, rectangular_scale
from loopspec.runtime.optim.newton_schulz import newton_schulz

FOLDER = Path(__file__).parents[2] / "golden"
GOLDEN = np.load(FOLDER / "muon.npz")
CONFIG = json.loads((FOLDER / "muon.json").read_text())


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name].copy())


@pytest.mark.parametrize("peer", ["pr498", "sub167", "baseline"])  # exp167 decays after the update
def test_three_steps_of_the_published_runs(peer: str) -> None:
    options = CONFIG[peer]["kw"]
    parameters = [torch.nn.Parameter(golden(f"{peer}.p{i}.step0")) for i in range(4)]
    optimizer = Muon(
        parameters,
        lr=options["lr"],
        momentum=options["momentum"],
        weight_decay=options.get("weight_decay", 0.0),
        nesterov=True,
        newton_schulz_steps=options["backend_steps"],
        dtype=torch.bfloat16,
    )
    for step in (1, 2, 3):
        if step == 3:
            optimizer.param_groups[0].update(CONFIG[peer]["step3"])
        for index, parameter in enumerate(parameters):
            parameter.grad = golden(f"{peer}.p{index}.grad{step}")
        optimizer.step()
        for index, parameter in enumerate(parameters):
            buffer = optimizer.state[parameter]["momentum_buffer"]
            torch.testing.assert_close(buffer, golden(f"{peer}.p{index}.buf{step}"), atol=1e-6, rtol=1e-6)
            expected = golden(f"{peer}.p{index}.step{step}")
            torch.testing.assert_close(parameter.detach(), expected, atol=step * 6e-2 * options["lr"], rtol=0)


@pytest.mark.parametrize("nesterov", [True, False])
def test_agrees_with_torch(nesterov: bool) -> None:
    torch.manual_seed(1)
    shapes = [(16, 16), (16, 48), (48, 16), (16, 16)]
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    mine = Muon(
        ours, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=nesterov, newton_schulz_steps=5, dtype=torch.bfloat16
    )
    oracle = torch.optim.Muon(theirs, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=nesterov)
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        mine.step()
        oracle.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=3 * 0.1 * 4e-2, rtol=0)  # as the golden's


def test_no_gradient_leaves_weight_and_state_alone() -> None:
    used, idle = (torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    optimizer = Muon(
        [used, idle],
        lr=0.1,
        momentum=0.9,
        weight_decay=0.5,
        nesterov=True,
        newton_schulz_steps=5,
        dtype=torch.float32,
    )
    used.grad = torch.eye(4)
    optimizer.step()
    assert torch.equal(idle, torch.ones(4, 4))
    assert idle not in optimizer.state
    assert not torch.equal(used, torch.ones(4, 4))


def test_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon(
            [torch.nn.Parameter(torch.ones(3))],
            lr=0.1,
            momentum=0.9,
            weight_decay=0.0,
            nesterov=True,
            newton_schulz_steps=5,
            dtype=torch.float32,
        )


def test_scale_and_dtype() -> None:
    assert rectangular_scale(4, 1) == 2.0
    assert rectangular_scale(1, 4) == 1.0
    assert default_dtype(torch.device("cpu")) == torch.float32
    assert default_dtype(torch.device("cuda")) == torch.bfloat16


def test_iterates_in_the_dtype_it_is_given() -> None:
    """A float32 step on a tall matrix: p (1 - lr wd) - lr sqrt(2) NS(g + m g), to more digits than bfloat16 has."""
    gradient = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    parameter = torch.nn.Parameter(torch.ones(8, 4))
    parameter.grad = gradient
    Muon(
        [parameter],
        lr=0.1,
        momentum=0.9,
        weight_decay=0.5,
        nesterov=True,
        newton_schulz_steps=5,
        dtype=torch.float32,
    ).step()
    orthogonal = newton_schulz(1.9 * gradient.double().unsqueeze(0), 5, torch.float64)[0]
    torch.testing.assert_close(parameter.double(), 0.95 - 0.1 * 2**0.5 * orthogonal, atol=1e-5, rtol=0)
