"""Modes by step against the cadences of the published runs."""

import json
from pathlib import Path

import pytest

from loopspec.compiler.spec import Phase
from loopspec.runtime.train.cadence import mode_at

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "schedules.json").read_text())
PATTERNS = {
    "0": ("single",),
    "1": ("full",),
    "2": ("single", "full"),
    "3": ("single", "full", "single"),
    "4": ("single", "full", "single", "single"),
    "6": ("single", "full", "single", "single", "single", "single"),
}


@pytest.mark.parametrize("cadence", PATTERNS)
def test_published_cadences(cadence: str) -> None:
    expected = GOLDEN["is_crawl_by_cadence_steps0_13"][cadence]
    assert [mode_at([Phase(PATTERNS[cadence])], step) == "full" for step in range(14)] == expected


def test_phases_end_before_until_and_patterns_keep_the_absolute_step() -> None:
    cadence = [Phase(("a", "b"), until=3), Phase(("c", "d", "e"))]
    assert [mode_at(cadence, step) for step in range(8)] == ["a", "b", "a", "c", "d", "e", "c", "d"]


def test_step_after_the_last_phase_is_a_broken_plan() -> None:
    with pytest.raises(AssertionError, match="step 3 lies after the last phase"):
        mode_at([Phase(("a",), until=3)], 3)
