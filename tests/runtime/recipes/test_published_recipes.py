"""Every shipped recipe, scaled down, through all its phases; and the losses of the reference systems, step by step."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from support.scaled_recipes import NAMES, REFERENCE, STEPS, WalkBatches, scaled

from loopspec.compiler import Plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.spec.phase_steps import phase_steps
from loopspec.runtime.train.job import RunResult, TrainingJob
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.progress import Progress
from loopspec.runtime.train.run_folder import RunFolder

GOLDEN = Path(__file__).parents[2] / "golden" / "losses"
Records = list[dict[str, object]]
Reference = Callable[[str], tuple[Plan, RunResult, Records]]


def trained(plan: Plan, path: Path) -> tuple[RunResult, Records]:
    """A run's result, and its records of training."""
    module = build_module(plan, plan.spec.train.seed)
    with RunFolder(path, resume=False, event=print) as folder:
        job = TrainingJob(
            plan, module, WalkBatches(), folder, torch.device("cpu"), progress=Progress(every_seconds=1e9)
        )
        result = Trainer(job).run()
    return result, [record for record in read_records(folder.metrics) if record["kind"] == "train"]


@pytest.mark.torture  # a minute and a half in all
@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFERENCE])
def test_shipped_recipe_runs_through_all_its_phases(name: str, tmp_path: Path) -> None:
    plan = scaled(name)
    result, records = trained(plan, tmp_path)
    check_phases(plan, result, records)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A reference system's run, trained when it is first asked for."""

    @cache
    def run(name: str) -> tuple[Plan, RunResult, Records]:
        plan = scaled(name)
        return plan, *trained(plan, tmp_path_factory.mktemp(name))

    return run


DEEP = "tied-15l"  # the slowest: its phases are among those of the others
SYSTEMS = [pytest.param(name, marks=[pytest.mark.torture] if name == DEEP else []) for name in REFERENCE]


@pytest.mark.parametrize("name", SYSTEMS)
def test_losses_of_the_reference_systems(name: str, reference: Reference) -> None:
    plan, result, records = reference(name)
    check_phases(plan, result, records)
    losses = [record["loss"] for record in records]
    path = GOLDEN / f"{name}.json"
    if os.environ.get("LOOPSPEC_REGENERATE"):
        path.write_text(json.dumps(losses, indent=0) + "\n")
    assert losses == pytest.approx(json.loads(path.read_text()), abs=1e-4)


def test_losses_are_the_same_bits_on_one_machine(reference: Reference, tmp_path: Path) -> None:
    _, _, first = reference("micro-crawler")
    _, second = trained(scaled("micro-crawler"), tmp_path)
    assert [record["loss"] for record in first] == [record["loss"] for record in second]


def check_phases(plan: Plan, result: RunResult, records: Records) -> None:
    """Every step, phase and part that the plan lists has run, in the modes that it says; the model learns."""
    train = plan.spec.train
    assert result.outcome == "finished" and result.ended_by == train.schedule.clock
    after = {part.kind: part.step_count for part in train.finish}
    steps = result.step - sum(after.values()) if train.known_steps is None else train.known_steps
    assert steps >= STEPS if train.known_steps is not None else steps > 3
    assert result.stages == {"main": steps, **after}
    assert result.average_updates in (None, result.step)
    assert (train.quantization_aware is None) == (result.quantization_aware_steps is None)
    for planned in phase_steps(plan.spec.cadence, train):
        ran = range(steps) if planned.steps is None else planned.steps
        assert ran
        assert {records[step]["mode"] for step in ran} <= set(planned.phase.modes)
    for part in train.finish:
        modes = {record["mode"] for record in records if record["stage"] == part.kind}
        assert modes == {plan.spec.activities[part.kind]}
    assert records[steps - 1]["loss"] < records[0]["loss"]
