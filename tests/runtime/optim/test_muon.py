"""Muon against the vectors of the published runs and against torch.optim.Muon."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loopspec.compiler.spec.optimizer import GroupOptimizer
from loopspec.runtime.optim.muon import Muon, MuonOptions, default_dtype, muon_options, rectangular_scale
from loopspec.runtime.optim.newton_schulz import QUINTIC, newton_schulz, polar_express

FOLDER = Path(__file__).parents[2] / "golden"
GOLDEN = np.load(FOLDER / "muon.npz")
CONFIG = json.loads((FOLDER / "muon.json").read_text())
PEERS = {"pr498": "before", "sub167": "before", "baseline": "before", "exp167": "after"}  # when they decay
CPU = torch.device("cpu")


def golden(name: str) -> torch.Tensor:
    return torch.from_numpy(GOLDEN[name].copy())


def published(peer: str, decay: Any, dtype: torch.dtype = torch.bfloat16) -> tuple[list[torch.nn.Parameter], Muon]:
    options = CONFIG[peer]["kw"]
    parameters = [torch.nn.Parameter(golden(f"{peer}.p{i}.step0")) for i in range(4)]
    settings = MuonOptions(coefficients=(QUINTIC,) * options["backend_steps"], dtype=dtype, decay=decay)
    rest = {"momentum": options["momentum"], "weight_decay": options.get("weight_decay", 0.0)}
    return parameters, Muon(parameters, settings, lr=options["lr"], **rest)


def run_published(peer: str, parameters: list[torch.nn.Parameter], optimizer: Muon) -> dict[str, torch.Tensor]:
    """Every recorded array of a peer, as the optimizer makes it from the recorded start and gradients."""
    got = {f"{peer}.p{index}.step0": parameter.detach().clone() for index, parameter in enumerate(parameters)}
    for step in (1, 2, 3):
        if step == 3:
            optimizer.param_groups[0].update(CONFIG[peer]["step3"])
        for index, parameter in enumerate(parameters):
            parameter.grad = golden(f"{peer}.p{index}.grad{step}")
            got[f"{peer}.p{index}.grad{step}"] = parameter.grad
        optimizer.step()
        for index, parameter in enumerate(parameters):
            got[f"{peer}.p{index}.buf{step}"] = optimizer.state[parameter]["momentum_buffer"].clone()
            got[f"{peer}.p{index}.step{step}"] = parameter.detach().clone()
    return got


@pytest.mark.parametrize("peer", PEERS)
def test_three_steps_of_the_published_runs(peer: str) -> None:
    got = run_published(peer, *published(peer, PEERS[peer]))
    assert got.keys() == {name for name in GOLDEN if name.startswith(f"{peer}.")}  # not one array left out
    for name, value in got.items():
        if ".step" in name:  # other processors sum bfloat16 products in another order
            tolerance = int(name[-1]) * 6e-2 * CONFIG[peer]["kw"]["lr"]
            torch.testing.assert_close(value, golden(name), atol=tolerance, rtol=0)
        else:
            torch.testing.assert_close(value, golden(name), atol=1e-6, rtol=1e-6)


def test_every_recorded_array_belongs_to_a_test() -> None:
    assert {name.split(".")[0] for name in GOLDEN} == {*PEERS, "ns"}
    assert {name for name in GOLDEN if name.startswith("ns.")} == {
        name for index in range(3) for name in (f"ns.G{index}", f"ns.out{index}_bf16_5steps")
    }  # test_newton_schulz.py


def test_when_a_step_decays_shows() -> None:
    """By float32 the two orders differ by lr^2 wd NS(u): far beyond rounding, and only where there is decay."""
    after = run_published("exp167", *published("exp167", "after", torch.float32))
    before = run_published("exp167", *published("exp167", "before", torch.float32))
    difference = before["exp167.p2.step1"] - after["exp167.p2.step1"]
    update = golden("exp167.p2.step0") * (1 - 0.025 * 0.04) - before["exp167.p2.step1"]
    torch.testing.assert_close(difference, -0.025 * 0.04 * update, atol=1e-7, rtol=0)
    assert difference.abs().max() > 5e-6


@pytest.mark.parametrize("nesterov", [True, False])
def test_agrees_with_torch(nesterov: bool) -> None:
    torch.manual_seed(1)
    shapes = [(16, 16), (16, 48), (48, 16), (16, 16)]
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    options = MuonOptions(nesterov=nesterov, dtype=torch.bfloat16)
    mine = Muon(ours, options, lr=0.1, momentum=0.9, weight_decay=0.1)
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
    optimizer = Muon([used, idle], MuonOptions(), lr=0.1, momentum=0.9, weight_decay=0.5)
    used.grad = torch.eye(4)
    optimizer.step()
    assert torch.equal(idle, torch.ones(4, 4))
    assert idle not in optimizer.state
    assert not torch.equal(used, torch.ones(4, 4))


def test_refuses_what_is_no_matrix() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.ones(3))], MuonOptions(), lr=0.1, momentum=0.9, weight_decay=0.0)


def test_scale_and_dtype() -> None:
    assert rectangular_scale(4, 1) == 2.0
    assert rectangular_scale(1, 4) == 1.0
    assert default_dtype(torch.device("cpu")) == torch.float32
    assert default_dtype(torch.device("cuda")) == torch.bfloat16


def update_of(gradient: torch.Tensor, options: MuonOptions) -> torch.Tensor:
    """What one step at lr 1 and without decay takes off a weight of zeros."""
    parameter = torch.nn.Parameter(torch.zeros_like(gradient))
    parameter.grad = gradient
    Muon([parameter], options, lr=1.0, momentum=0.9, weight_decay=0.0).step()
    return -parameter.detach()


def test_iterates_in_the_dtype_it_is_given() -> None:
    """A float32 step on a tall matrix: p (1 - lr wd) - lr sqrt(2) NS(g + m g), to more digits than bfloat16 has."""
    gradient = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    parameter = torch.nn.Parameter(torch.ones(8, 4))
    parameter.grad = gradient
    Muon([parameter], MuonOptions(), lr=0.1, momentum=0.9, weight_decay=0.5).step()
    orthogonal = newton_schulz(1.9 * gradient.double().unsqueeze(0), (QUINTIC,) * 5, torch.float64)[0]
    torch.testing.assert_close(parameter.double(), 0.95 - 0.1 * 2**0.5 * orthogonal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(8, 4), (4, 8)])
def test_rows_are_normed_before_the_iteration(shape: tuple[int, int]) -> None:
    """MuonEq-R: an output whose gradient is tiny turns the update as much as the others; without, it hardly does."""
    gradient = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    scaled = gradient * torch.logspace(0, -3, shape[0]).unsqueeze(1)
    rows = MuonOptions(normalize="rows", dtype=torch.float64)
    directions = gradient / gradient.norm(dim=1, keepdim=True)
    expected = newton_schulz(directions.unsqueeze(0).double(), (QUINTIC,) * 5, torch.float64)[0]
    expected = expected * rectangular_scale(*shape)
    torch.testing.assert_close(update_of(scaled, rows).double(), expected, atol=1e-5, rtol=0)
    plain = update_of(scaled, replace(rows, normalize="none")).double()
    assert (plain - expected).abs().max() > 0.1


def test_a_row_without_gradient_stays() -> None:
    gradient = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    gradient[2] = 0
    update = update_of(gradient, MuonOptions(normalize="rows"))
    assert update[2].abs().max() < 1e-6 and update.isfinite().all()


def test_options_of_the_spec() -> None:
    spec = GroupOptimizer("muon", 0.1, 0.0, momentum=0.9, nesterov=False, newton_schulz_steps=3)
    assert muon_options(spec, CPU) == MuonOptions(nesterov=False, coefficients=(QUINTIC,) * 3)
    assert muon_options(spec, torch.device("cuda")).dtype == torch.bfloat16
    named = replace(spec, newton_schulz_coefficients="polar_express", newton_schulz_dtype="bfloat16", decay="after")
    expected = MuonOptions(nesterov=False, coefficients=polar_express(3), dtype=torch.bfloat16, decay="after")
    assert muon_options(named, CPU) == expected
    rows = ((3.0, -3.0, 1.0), (2.0, -1.5, 0.5), QUINTIC)
    listed = replace(spec, newton_schulz_coefficients=rows, newton_schulz_dtype="float32", normalize="rows")
    assert muon_options(listed, torch.device("cuda")) == MuonOptions(
        nesterov=False, coefficients=rows, dtype=torch.float32, normalize="rows"
    )
