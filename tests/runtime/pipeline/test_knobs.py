"""The classic knobs: k, bits and pruning turned until the size fits, with a size that is quick to know."""

from __future__ import annotations

from math import log2
from pathlib import Path

import pytest

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan
from loopspec.runtime.pipeline.knobs import LEAST_SLACK, Knob, fit_knob
from loopspec.runtime.quantize import QuantizeError

WEIGHTS = 1_000_000
RULES = {
    "std": "[{match: {group: matrices}, scheme: {kind: integer, bits: 6, clip: {kind: std, k: 12}}}, "
    "{match: {group: embeddings}, scheme: {kind: integer, bits: 8, clip: {kind: std, k: 20}}}, "
    "{scheme: {kind: float16}}]",
    "absmax": "[{match: {group: matrices}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}}}, "
    "{scheme: {kind: float16}}]",
    "pruned": "[{match: {group: matrices}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}, prune: 0.9}}, "
    "{match: {group: embeddings}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}, prune: 0.5}}, "
    "{scheme: {kind: float16}}]",
    "by_row": "[{match: {matrix: true}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}, "
    "row_bits: {high: 7, low: 5}}}, {scheme: {kind: float16}}]",
    "float": "[{scheme: {kind: float16}}]",
}


def plan_of(spec: Path, rules: str) -> Plan:
    return load_plan(spec, [f"quantization.rules={RULES[rules]}"])


def size_of(plan: Plan) -> int:
    """As a coder of normal weights has it: less for greater k, fewer bits and more zeros."""
    total = 0.0
    for rule in plan.spec.quantization.rules:
        scheme = rule.scheme
        if scheme.bits is not None and scheme.clip is not None:
            finer = 0.0 if scheme.clip.k is None else 2 - log2(scheme.clip.k / 4)
            total += WEIGHTS / 8 * max(scheme.bits - 2 + finer, 0.2) * (1 - scheme.prune)
    return round(total)


@pytest.mark.parametrize(
    ("knob", "rules", "share", "said"),
    [("k", "std", 0.8, "k of "), ("prune", "absmax", 0.7, "% pruned: "), ("bits", "absmax", 0.6, "4 bits: ")],
)
def test_a_knob_is_turned_until_the_size_fits(spec: Path, knob: Knob, rules: str, share: float, said: str) -> None:
    plan = plan_of(spec, rules)
    limit = round(share * size_of(plan))
    found = fit_knob(plan, knob, limit, size_of)
    assert size_of(found.plan) <= limit
    assert knob == "bits" or size_of(found.plan) >= limit - LEAST_SLACK
    assert said in found.text and f"{size_of(found.plan):,} bytes" in found.text
    schemes = [rule.scheme for rule in found.plan.spec.quantization.rules if rule.scheme.kind == "integer"]
    if knob == "k":
        ratios = {scheme.clip.k for scheme in schemes if scheme.clip is not None}
        assert max(filter(None, ratios)) / min(filter(None, ratios)) == pytest.approx(20 / 12, rel=1e-4)


def test_a_size_that_fits_as_it_is_is_not_pruned(spec: Path) -> None:
    plan = plan_of(spec, "absmax")
    assert fit_knob(plan, "prune", 2 * size_of(plan), size_of).plan is plan


def test_pruning_starts_from_what_each_rule_prunes(spec: Path) -> None:
    plan = plan_of(spec, "pruned")
    assert fit_knob(plan, "prune", 2 * size_of(plan), size_of).text.startswith("90.00%, 50.00% pruned: ")
    tried: list[list[float]] = []

    def watched(changed: Plan) -> int:
        tried.append([rule.scheme.prune for rule in changed.spec.quantization.rules])
        return size_of(changed)

    found = fit_knob(plan, "prune", round(0.7 * size_of(plan)), watched)
    assert all(matrices >= 0.9 and embeddings >= 0.5 for matrices, embeddings, _ in tried)
    assert found.plan.spec.quantization.rules[0].scheme.prune == 0.9
    assert 0.6 < found.plan.spec.quantization.rules[1].scheme.prune < 0.9


def test_bits_stay_within_the_bits_of_rows(spec: Path) -> None:
    plan = plan_of(spec, "by_row")
    assert fit_knob(plan, "bits", 10**9, size_of).text.startswith("7 bits: ")
    with pytest.raises(QuantizeError, match=r"5 bits still take [\d,]+ bytes of 10; raise the budget or prune"):
        fit_knob(plan, "bits", 10, size_of)


def test_a_policy_without_the_knob_is_told_what_it_turns(spec: Path) -> None:
    with pytest.raises(QuantizeError, match=r"no rule of tiny has the knob k: it turns clips of kind std and sens"):
        fit_knob(plan_of(spec, "absmax"), "k", 1000, size_of)
    with pytest.raises(QuantizeError, match=r"no rule of tiny has the knob bits: it turns schemes of kind integer"):
        fit_knob(plan_of(spec, "float"), "bits", 1000, size_of)


def test_a_budget_out_of_reach_is_refused(spec: Path) -> None:
    plan = plan_of(spec, "absmax")
    with pytest.raises(QuantizeError, match=r"2 bits still take [\d,]+ bytes of 10; raise the budget or prune"):
        fit_knob(plan, "bits", 10, size_of)
    with pytest.raises(QuantizeError, match=r"takes [\d,]+ bytes of 10"):
        fit_knob(plan, "prune", 10, size_of)
