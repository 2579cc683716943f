"""What went wrong unseen in published runs is an error here, at its place, and a fact that the plan prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopspec.compiler import Plan, check_spec
from loopspec.compiler.source.diagnostic import Severity
from loopspec.compiler.source.expectation import expected_codes
from loopspec.compiler.summary import plan_text
from loopspec.runtime.cli import main

ROOT = Path(__file__).parents[2]
SPECS, PUBLISHED = ROOT / "specs", ROOT / "tests" / "published"


def _planned(path: Path) -> Plan:
    """The plan of a spec that may be used as it stands, its faults expected."""
    checked = check_spec(path)
    assert checked.ok and checked.plan is not None
    return checked.plan


def _assert_fault(path: Path, code: str, place: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One problem of that code, whose line begins with `place`; an error fails where the spec does not expect it."""
    checked = check_spec(path)
    (found,) = [item for item in checked.diagnostics if item.code == code]
    line = checked.document.texts[found.span.file].splitlines()[found.span.line - 1]
    assert line.strip().startswith(place), line
    assert re.search(message, found.message), found.message
    assert found.expected and checked.ok
    others = [item.code for item in expected_codes(checked.document.root) if item.code != code]
    fails = found.severity is Severity.ERROR
    assert main(["validate", str(path), "--set", f"expect=[{', '.join(others)}]"]) == int(fails)
    assert f" {found.severity.value}[{code}]: {found.message}" in capsys.readouterr().out


def _untrained(plan: Plan) -> set[str]:
    """The rows of the printed plan's sections of stores that are in no optimizer group."""
    sections = plan_text(plan).split("\n\n")
    return {
        line.split()[0]
        for section in sections
        if section.lstrip().startswith("none, ")
        for line in section.splitlines()[1:]
        if line.strip()
    }


@pytest.mark.parametrize("run", ["run3", "run6"])
def test_a_gate_outside_the_optimizer(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """579, runs 3 and 6: the gate was compared with a trained one; its scale stayed at the zero that it began with."""
    path = SPECS / f"micro-crawler-{run}.yaml"
    _assert_fault(path, "LS520", "assign:", r"stages\.crawler\.gate, stages\.crawler\.gate_scale$", capsys)
    _assert_fault(path, "LS523", "assign:", r"stages\.crawler\.gate_scale is never trained .* no effect", capsys)
    assert _untrained(_planned(path)) == {"stages.crawler.gate", "stages.crawler.gate_scale"}


def test_parallel_firings_add_no_depth() -> None:
    """579, runs 3 to 8: called eight deep as run 1 is; two firings side by side are six deep."""
    plans = {run: _planned(SPECS / f"micro-crawler{run}.yaml") for run in ("", "-run3", "-run6", "-run8")}
    depths = {run: plan.modes["full"].depth for run, plan in plans.items()}
    assert depths == {"": 8, "-run3": 6, "-run6": 6, "-run8": 6}
    for run, plan in plans.items():
        assert re.search(rf"^  full +8 +{depths[run]} ", plan_text(plan), re.MULTILINE)  # positions, depth


def test_an_inert_bank(capsys: pytest.CaptureFixture[str]) -> None:
    """579, H4 arm B: no optimizer held the bank, and its zero outputs made it the identity."""
    path = SPECS / "h4-arm-b-published.yaml"
    _assert_fault(path, "LS520", "assign:", r"blocks\.bank\.0\.residual_mix.* and 9 more$", capsys)
    outputs = r"blocks\.bank\.0\.attention\.output, blocks\.bank\.0\.mlp\.down are never trained"
    _assert_fault(path, "LS523", "assign:", outputs, capsys)
    _assert_fault(path, "LS504", "skip_trace:", r"stages\.bank\.trace\.inject is stored and never runs", capsys)
    plan = _planned(path)
    bank = {store.name for store in plan.stores if ".bank." in store.name}
    assert len(bank) == 12 and sum(store.elements for store in plan.stores if store.name in bank) == 2_361_354
    assert all(name.startswith(("blocks.bank.0.", "stages.bank.trace.")) for name in _untrained(plan))
    assert {store.name for store in plan.stores if not store.trainable} == bank


def test_an_unused_swa(capsys: pytest.CaptureFixture[str]) -> None:
    """498, 579, 857: advertised, summed on the CPU, and loaded by nothing."""
    path = PUBLISHED / "unused-swa.yaml"
    _assert_fault(path, "LS524", "swa:", "an average that nothing loads: train.load is ema", capsys)
    text = plan_text(_planned(path))
    assert "scored and packed: average ema" in text
    assert re.search(r"average swa: mean of 14 snapshots, .*; not\s+kept, nothing loads it", text)


def test_quantization_aware_training_that_never_triggers(capsys: pytest.CaptureFixture[str]) -> None:
    """498 and after: the flag was folded away by the compiler; here a start that no step reaches is an error."""
    path = PUBLISHED / "late-qat.yaml"
    _assert_fault(path, "LS528", "quantization_aware:", "no step runs on rounded weights", capsys)
    assert "quantization-aware: no step, the start is not reached" in plan_text(_planned(path))


def test_exclusive_attention_through_ties() -> None:
    """857: `last 4` was flagged on blocks, and a tied block took it along to six positions; the plan prints them."""
    plan = _planned(SPECS / "tied-15l.yaml")
    assert sum(block.attention.xsa for block in plan.spec.architecture.blocks["trunk"]) == 2
    text = plan_text(plan)
    assert "\n  xsa: 9 to 14\n" in text
    assert re.findall(r"^ +(\d+) +0 +trunk/trunk\.\d+#\d .*xsa$", text, re.MULTILINE) == [
        "9",
        "10",
        "11",
        "12",
        "13",
        "14",
    ]


def test_a_cadence_of_0_that_fires_twice_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """579, cadence 0: trained with one firing; replayed, distilled, calibrated and scored with two."""
    path = SPECS / "micro-crawler-cad0.yaml"
    message = r"activities replay, distill, calibrate, evaluate run mode full, which train\.finish alone runs"
    _assert_fault(path, "LS211", "activities:", message, capsys)
    text = plan_text(_planned(path))
    assert "steps 0 to 7,855: single\n  then replay: 200 steps of full\n  then distill: 50 steps of full\n" in text
    assert "replay, distill, calibrate, evaluate: full\n    they run mode full; train.finish alone does" in text
    # without what follows training the second loop's vector never learns
    (untrained,) = [item for item in check_spec(path, ["train.finish=[]"]).diagnostics if item.code == "LS505"]
    assert re.search(r"loop_vector\.1 runs in mode full only, .* single only", untrained.message)


def test_dead_scales_beside_those_of_each_position(capsys: pytest.CaptureFixture[str]) -> None:
    """167: scales of each position replace the blocks' own, which stayed in the optimizer and in the file."""
    path = SPECS / "cycle-3x9-scales.yaml"
    message = r"blocks\.trunk\.0\.attention_scale.* and 6 more are stored and never read"
    _assert_fault(path, "LS504", "private:", message, capsys)
    plan = _planned(path)
    dead = [store for store in plan.stores if not store.modes]
    assert {store.name.rpartition(".")[2] for store in dead} == {"attention_scale", "mlp_scale", "residual_mix"}
    assert len(dead) == 9 and sum(store.elements for store in dead) == 6_144
    assert len(re.findall(r"^  blocks\.trunk\.0\.\.2\.\w+ .* none$", plan_text(plan), re.MULTILINE)) == 3


def test_value_residual_scalars_that_are_never_trained(capsys: pytest.CaptureFixture[str]) -> None:
    """857: the fourteen numbers of the value residual were in no optimizer and began at zero."""
    path = PUBLISHED / "untrained-value-residual.yaml"
    _assert_fault(path, "LS520", "assign:", r"stages\.trunk\.value_residual\.1, .* and 11 more$", capsys)
    message = r"stages\.trunk\.value_residual\.1, .* and 11 more are never trained .* no effect"
    _assert_fault(path, "LS523", "assign:", message, capsys)
    assert _untrained(_planned(path)) == {"stages.trunk.value_residual.1..14"}


def test_an_average_that_keeps_its_start(capsys: pytest.CaptureFixture[str]) -> None:
    """579, H1, H2 and H4: short runs were scored on averages that still held the initial weights."""
    path = SPECS / "h4-arm-b-published.yaml"
    _assert_fault(path, "LS527", "averages:", r"^1\.1% of this average", capsys)
    assert "average ema: ema 0.997, 1.1% of the initial weights left in it" in plan_text(_planned(path))
