"""The page on published systems names every spec, and quotes no count that a plan or a recording does not give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.reference_counts import ROWS

from loopspec.compiler import Plan, load_plan
from loopspec.compiler.source.codes import TITLES
from loopspec.compiler.sweep import load_sweep

SPECS = Path(__file__).parents[2] / "specs"
PAGE = (SPECS / "SYSTEMS.md").read_text()
NAMES = sorted(path.stem for path in SPECS.glob("*.yaml"))
QUOTED_BYTES = {16_000_000, 15_192_793, 15_154_098, 15_863_068}
EXPECTED = re.compile(r"LS\d{3}")


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {name: load_plan(SPECS / f"{name}.yaml") for name in NAMES}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_table_of_files_is_whole_and_true(plans: dict[str, Plan]) -> None:
    rows = re.findall(r"^\| \[([\w-]+)\]\(([\w-]+)\.yaml\) \| ([\d,]+) \| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
    quoted = {name: (file, _number(stored), int(runs), int(depth)) for name, file, stored, runs, depth in rows}
    assert len(rows) == len(NAMES)
    assert quoted == {
        name: (name, plan.parameters, len(plan.modes["full"].positions), plan.modes["full"].depth)
        for name, plan in plans.items()
    }


def test_every_other_count_is_a_plans_or_was_recorded(plans: dict[str, Plan]) -> None:
    known = {plan.parameters for plan in plans.values()} | QUOTED_BYTES
    known |= {count for row in ROWS if row.total is not None for count in (row.total, row.total - row.lacks)}
    quoted = {_number(text) for text in re.findall(r"\b\d{1,3}(?:,\d{3}){2,}\b", PAGE)}
    assert quoted <= known, quoted - known


def test_steps_are_those_of_the_specs(plans: dict[str, Plan]) -> None:
    crawlers = r"^\| (micro-crawler(?:-\w+)?|h4-[\w-]+)(?:, as run 1\.5)? \(text\) \| .*"
    for name, row in ((found[1], found[0]) for found in re.finditer(crawlers, PAGE, re.MULTILINE)):
        assert f"| {plans[name].spec.train.stop.steps:,} |" in row, row


def test_every_arm_of_the_sweeps_is_there() -> None:
    for path in sorted((SPECS / "sweeps").glob("*.yaml")):
        sweep = load_sweep(path)
        assert f"[{sweep.name}](sweeps/{path.name})" in PAGE
        for arm in sweep.arms:
            steps = next(text.partition("=")[2] for text in arm.sets if text.startswith("train.stop.steps="))
            assert f"| {sweep.name} {arm.name} | {steps} |" in PAGE


def test_every_fault_that_a_spec_expects_is_told() -> None:
    for path in SPECS.glob("*.yaml"):
        expect = re.search(r"^expect: \[(.*)\]", path.read_text(), re.MULTILINE)
        for code in EXPECTED.findall("" if expect is None else expect[1]):
            assert code in PAGE, f"{path.name} expects {code}"
    assert set(EXPECTED.findall(PAGE)) <= TITLES.keys()
