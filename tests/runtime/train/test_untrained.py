"""Stores that no optimizer trains, on purpose or by a fault: a run leaves them as they start, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_run
import torch
from tiny_run import TinyModule, make_train, make_trainer, run, take_step

from loopspec.compiler.spec.train import Average, Start

AVERAGES = {
    "ema": Average("ema", 0.9, debias=True, start_step=0),
    "swa": Average("swa", every=1, start=Start(step=3)),
}


def regrouped(**groups: str) -> Any:
    return tuple((name, shape, groups.get(name, group), modes) for name, shape, group, modes in tiny_run.STORES)


@pytest.mark.parametrize("load", AVERAGES)
@pytest.mark.parametrize("inactive", ["skip", "decay"])
def test_they_keep_their_values_in_the_weights_and_in_the_average(tmp_path: Path, inactive: str, load: str) -> None:
    train = make_train(12, inactive=inactive, averages={load: AVERAGES[load]}, load=load)
    _, last, average = run(tmp_path, train, stores=regrouped(looped="frozen", gain="none"))
    for name, start in TinyModule().named_parameters():
        untrained = name in {"looped", "gain"}
        assert torch.equal(last[name], start) is untrained, name
        assert torch.equal(average[name], start) is untrained, name


def test_they_have_no_gradient_and_no_share_in_the_norm(tmp_path: Path) -> None:
    norms = []
    for index, stores in enumerate((tiny_run.STORES, regrouped(tokens="frozen"))):
        trainer, module, folder = make_trainer(tmp_path / str(index), make_train(grad_clip=None), stores=stores)
        with folder:
            norms.append(take_step(trainer).grad_norm.item())
        assert (module.tokens.grad is None) == (index == 1)
        assert module.tokens.requires_grad == (index == 0)
        if index == 0:
            share = module.tokens.grad.norm().item()
    assert norms[0] ** 2 == pytest.approx(norms[1] ** 2 + share**2, rel=1e-4)


def test_what_no_optimizer_takes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, folder = make_trainer(tmp_path, make_train(), stores=regrouped(looped="frozen", gain="none"))
    with folder:
        assert "train.assign: no optimizer trains gain\n" in capsys.readouterr().err
