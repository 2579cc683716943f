"""The cadence as a plan prints it."""

from __future__ import annotations

from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from loopspec.compiler.spec.cadence import Phase, Sample, Until
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.phase_steps import MOST_COUNTED_DRAWS
from loopspec.compiler.spec.train import Schedule, Train
from loopspec.compiler.summary_cadence import cadence_lines

FULL = dict.fromkeys(("replay", "distill", "calibrate", "evaluate"), "full")
UNIFORM = Sample("core", (1, 4), "uniform", None, 4)


def make_spec(*cadence: Phase, steps: int = 10_000, activities: dict[str, str] = FULL) -> Any:
    train = Train(7, 1024, 524_288, 1, Stop(steps=steps), Schedule(warmdown_steps=2500), {})
    return SimpleNamespace(cadence=cadence, train=train, activities=activities)


CASES = {
    "one mode says it once": (
        make_spec(Phase(("full",))),
        """\
        steps 0 to 9,999: full
        replay, distill, calibrate, evaluate: full
        """,
    ),
    "the published ramp": (
        make_spec(
            Phase(("single", "full"), Until("lr_warmdown", 0.5)),
            Phase(("single", "full", "single", "single"), Until("lr_warmdown", 0.2)),
            Phase(("single", "full", "single", "single", "single", "single")),
        ),
        """\
        steps 0 to 8,749 (until the multiplier is 0.5): single, full, repeated
        steps 8,750 to 9,499 (until the multiplier is 0.2): single, full, single,
          single, repeated
        steps 9,500 to 9,999: single, full, single, single, single, single, repeated
        steps by mode: single 5,355, full 4,645
        replay, distill, calibrate, evaluate: full
        """,
    ),
    "the published cadence 0, which activities do not follow": (
        make_spec(Phase(("single",)), activities=FULL | {"replay": "single"}),
        """\
        steps 0 to 9,999: single
        replay: single
        distill, calibrate, evaluate: full
          they run mode full; no training step does
        """,
    ),
    "what the clock decides is not known": (
        make_spec(
            Phase(("single",), Until("steps", 1)),
            Phase(("single", "full"), Until("seconds", 300.5)),
            Phase(("full",), Until("steps", 5000)),
            Phase(("single",)),
            activities={"evaluate": "twice"},
        ),
        """\
        step 0: single
        from step 1 until 300.5 seconds of training: single, full, repeated
        then, at step 1 or later, until step 5,000: full
        then, at step 5,000 or later, to the end: single
        steps by mode: known after the run, for the clock decides
        evaluate: twice
          it runs mode twice; no training step does
        """,
    ),
    "sampled phases": (
        make_spec(
            Phase(sample=UNIFORM, until=Until("tokens", 3_000_000)),
            Phase(sample=Sample("core", (2, 4), "poisson", 2.5, 4), until=Until("fraction", 0.7)),
            Phase(("full",)),
            steps=10,
        ),
        """\
        steps 0 to 5 (until 3,000,000 tokens): core loops 1 to 4 times, uniform
        step 6 (until 0.7 of training): core loops 2 to 4 times, poisson of mean 2.5
        steps 7 to 9: full
        steps by mode: full 6, core_3 2, core_1 1, core_2 1
        replay, distill, calibrate, evaluate: full
        """,
    ),
    "an expected fault": (
        make_spec(Phase(("full",), Until("lr_warmdown", 0)), Phase(("single",))),
        """\
        steps 0 to 9,999 (until the multiplier is 0): full
        no step: single
        steps by mode: full 10,000, single 0
        replay, distill, calibrate, evaluate: full
        """,
    ),
    "more draws than are made ahead": (
        make_spec(Phase(sample=UNIFORM), steps=MOST_COUNTED_DRAWS + 1),
        """\
        steps 0 to 100,000: core loops 1 to 4 times, uniform
        steps by mode: not counted, for too many steps are sampled
        replay, distill, calibrate, evaluate: full
        """,
    ),
}


@pytest.mark.parametrize(("spec", "text"), CASES.values(), ids=CASES)
def test_lines(spec: Any, text: str) -> None:
    lines = cadence_lines(spec)
    assert max(map(len, lines)) <= 80
    assert [line.removeprefix("  ") for line in lines] == dedent(text).splitlines()
