"""Budgets of all kinds are met by the real artifact: never over, and next to them where the grids have not ended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.budget_cases import CASES, Case, run_case

from loopspec.runtime.pipeline.allocation import LEAST_SLACK, SLACK
from loopspec.runtime.quantize import QuantizeError

SMALL = Case("frugendorff-6x2", 32, 3.0, margin=500)


def held(case: Case) -> str:
    """Packs; the allocation's line."""
    found = run_case(case)
    assert not found.misses, f"{case}: {found.below:,} bytes below {found.allocation.limit:,}"
    assert found.bytes == found.allocation.landing.size
    return found.allocation.text


def test_an_artifact_lands_just_below_its_budget() -> None:
    found = run_case(SMALL)
    assert 0 <= found.below <= max(SLACK * found.allocation.limit, LEAST_SLACK)
    assert f"{found.below:,} bytes below {found.allocation.limit:,}" in found.allocation.text
    assert all(codes.loss > 0 for codes in found.allocation.codes.values())


def test_a_budget_that_nothing_fills_ends_every_grid_and_says_so() -> None:
    assert "every store is at the finest end of its grid" in held(replace(SMALL, bits=60.0, codec="zstd"))


def test_a_budget_below_the_artifact_of_zeros_is_refused() -> None:
    with pytest.raises(QuantizeError, match=r"the coarsest grid still takes [\d,]+ bytes of [\d,]+; raise the budget"):
        run_case(replace(SMALL, bits=-0.5))


@pytest.mark.torture
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_budget_is_met(case: Case) -> None:
    text = held(case)
    assert ("finest end" in text) == (case.bits > 16), text


@pytest.mark.torture
def test_just_above_the_artifact_of_zeros() -> None:
    """From where nothing fits to where a little does, in steps of a few hundred bytes."""
    outcomes = []
    for share in range(12):
        case = replace(SMALL, bits=-0.5 + 0.05 * share)
        try:
            found = run_case(case)
        except QuantizeError:
            outcomes.append(False)
        else:
            assert not found.misses, f"{case}: {found.below:,} below"
            outcomes.append(True)
    assert outcomes == sorted(outcomes) and outcomes[-1] and not outcomes[0]
