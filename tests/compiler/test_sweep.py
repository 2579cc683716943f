"""Sweep files: every arm of the shipped ones is a spec, and faults have a place and a mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopspec.compiler import SpecError
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.summary import plan_text
from loopspec.compiler.sweep import Arm, Sweep, load_sweep

SWEEPS = Path(__file__).parents[2] / "specs" / "sweeps"
ARMS = [
    pytest.param(sweep, arm, id=f"{sweep.name}-{arm.name}")
    for sweep in map(load_sweep, sorted(SWEEPS.glob("*.yaml")))
    for arm in sweep.arms
]
KEPT = {
    ("h1", "cad1"): 0.1213,
    ("h1", "cad2"): 0.0877,
    ("h1", "cad3"): 0.0769,
    ("h1", "cad4"): 0.0715,
    ("h2", "cad1"): 0.1590,
    ("h2", "cad2"): 0.1089,
    ("h2", "cad3"): 0.0926,
    ("h2", "cad4"): 0.0846,
}
"""Share of the initial weights that the arm's average kept."""


@pytest.mark.parametrize(("sweep", "arm"), ARMS)
def test_every_arm_is_a_spec(sweep: Sweep, arm: Arm) -> None:
    checked = sweep.check(arm)
    assert checked.ok and checked.plan is not None
    assert checked.plan.parameters == {"h1": 29_829_953, "h2": 29_829_314}[sweep.name]
    text = plan_text(checked.plan)
    kept = re.search(r"ema 0\.997, ([\d.]+)% of the initial weights left in it", text)
    assert kept is not None and float(kept[1]) / 100 == pytest.approx(KEPT[sweep.name, arm.name], abs=0.005)
    fulls = re.search(r"steps by mode:.*full ([\d,]+)", text)
    steps = checked.plan.spec.train.stop.steps
    cadence = int(arm.name.removeprefix("cad"))
    fired = steps if fulls is None else int(fulls[1].replace(",", ""))
    assert fired == len([step for step in range(steps) if (step - 1) % cadence == 0])


def test_sweeps_are_no_shipped_specs() -> None:
    assert not any("sweeps" in name for name in shipped_specs())


def _written(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text("sweep_version: 1\nname: mine\n" + text)
    return path


def test_common_changes_come_first_and_an_arm_wins(tmp_path: Path) -> None:
    text = "base: quickstart\nset: {train.seed: 1, name: x}\narms: [{name: a, set: {train.seed: 2}}, {name: b}]\n"
    sweep = load_sweep(_written(tmp_path, text))
    assert sweep.base == shipped_specs()["quickstart.yaml"]
    assert [arm.sets for arm in sweep.arms] == [("train.seed=2", 'name="x"'), ("train.seed=1", 'name="x"')]
    plan = sweep.check(sweep.arms[0]).plan
    assert plan is not None and (plan.spec.train.seed, plan.spec.name) == (2, "x")


def test_a_change_that_the_base_cannot_take_is_the_arms_fault(tmp_path: Path) -> None:
    sweep = load_sweep(_written(tmp_path, "base: quickstart\narms: [{name: a, set: {train.stop.step: 2}}]\n"))
    checked = sweep.check(sweep.arms[0])
    assert not checked.ok
    assert [(item.code, item.span.file) for item in checked.diagnostics] == [("LS018", "--set train.stop.step=2")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: quickstart\n", r"sweep\.yaml:1:1: error\[LS024\]: .*lacks `arms`"),
        ("base: quickstart\narms: []\n", r"sweep\.yaml:4:7: error\[LS025\]"),
        ("base: quickstart\narms: [{name: a, sets: {}}]\n", r"4:18: error\[LS020\]: unknown key `sets`(.|\n)*`set`"),
        ("base: quickstart\narms: [{name: a, set: {a b: 1}}]\n", r"4:24: error\[LS026\]"),
        ("base: quickstart\narms: [{name: a}, {name: a}]\n", r"4:26: error\[LS027\]: a second arm named `a`"),
        ("base: quickstrat\narms: [{name: a}]\n", r"3:7: error\[LS014\](.|\n)*did you mean `quickstart.yaml`\?"),
    ],
)
def test_a_fault_of_the_file_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        load_sweep(_written(tmp_path, text))
    assert re.search(message, str(raised.value)), str(raised.value)


def test_a_list_is_no_sweep(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("- a\n")
    with pytest.raises(SpecError, match=r"sweep\.yaml:1:1: error\[LS005\]: a sweep must be a mapping"):
        load_sweep(path)
    with pytest.raises(SpecError, match=r"LS001"):
        load_sweep(tmp_path / "absent.yaml")
