"""The plan of a finished run under another policy or budget: what only its training had to do with is no problem.

Imports no torch, so that what cannot be packed is refused at once.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from ...compiler.check import SpecError, plan_resolved
from ...compiler.passes.size import estimate_plan
from ...compiler.plan import Plan
from ...compiler.schema import load_schema
from ...compiler.schema.check import check_against_schema
from ...compiler.schema.defaults import fill_defaults
from ...compiler.size.estimate import size_estimate
from ...compiler.source.canonical import resolved_yaml
from ...compiler.source.diagnostic import has_errors
from ...compiler.source.nodes import Mapping, mapping_to_plain
from ...compiler.source.report import render
from ...compiler.source.resolve import SourceDocument
from ...compiler.source.yaml_reader import parse_yaml
from ...compiler.spec.build_quantization import build_quantization
from ..quantize import QuantizeError

Plain = dict[str, Any]
SECTION = "quantization"

LATER_GRIDS, NOTHING_ROUNDED, OVER_BUDGET = "LS306", "LS529", "LS401"
"""Of training to a grid that is chosen after it, or to none, which is over; and of a size that is measured instead."""

NO_LIMIT = 10**12
"""The largest budget that a spec may have: what is a problem under it has nothing to do with the budget."""


def repacked_plan(plan: Plan, budget: int | None, like: SourceDocument | None) -> Plan:
    """The plan with `budget.bytes` replaced, and the section `quantization` by that of the document `like`.

    Raises:
        SpecError: the policy has problems, or rules that take nothing of this model.
        QuantizeError: schemes that fit themselves to the budget cannot meet it.
    """
    if budget is None and like is None:
        return plan
    plain, name = copy.deepcopy(plan.spec.plain), plan.spec.name
    if like is not None:
        name = f"{name} with the quantization of {like.path}"
        plain = with_policy_of(plain, like, name)
    if budget is not None:
        plain["budget"]["bytes"] = budget
    try:
        return replanned(plain, name)
    except SpecError:
        limit = plain["budget"]["bytes"]
        unlimited = replanned(plain | {"budget": plain["budget"] | {"bytes": NO_LIMIT}}, name)
    least = size_estimate(estimate_plan(unlimited), replace(unlimited.spec.budget, bytes=limit)).low_bytes
    margin = unlimited.spec.budget.margin
    raise QuantizeError(
        f"a budget of {limit:,} bytes cannot be met: at the coarsest steps artifact and "
        f"{unlimited.spec.budget.code_bytes:,} bytes of code take about {least:,}"
        f"{f', with a margin of {margin:,} to leave free' if margin else ''}; give a larger --budget"
    )


def with_policy_of(plain: Plain, document: SourceDocument, name: str) -> Plain:
    """A copy of a resolved spec with the section `quantization` of another document, whose other sections do not count.

    Raises:
        SpecError: the section breaks the schema; the places are those of its own files.
    """
    text = resolved_yaml(plain)
    node = parse_yaml(text, name).node
    assert isinstance(node, Mapping)
    entries = {key: entry for key, entry in node.entries.items() if key != SECTION}
    if SECTION in document.root.entries:
        entries[SECTION] = document.root.entries[SECTION]
    merged = Mapping(entries, node.span)
    schema = load_schema()
    problems = check_against_schema(merged, schema)
    if has_errors(problems):
        raise SpecError(render("text", problems, {name: text, **document.texts}))
    changed: Plain = fill_defaults(mapping_to_plain(merged), schema)
    codes = [code for code in changed["expect"] if not code.startswith("LS3")]  # of the policy that is replaced
    return changed | {"expect": codes}


def replanned(plain: Plain, name: str) -> Plan:
    """The plan of a resolved spec whose model is trained already, of which policy and budget may have changed.

    A margin is left out where no scheme uses it. Grids that training could not know are expected, and a size over the
    budget where no scheme fits itself to it: the artifact's real size decides.

    Raises:
        SpecError: the spec has other problems; messages call it `name`.
    """
    plain = copy.deepcopy(plain)
    schemes = [rule.scheme for rule in build_quantization(plain[SECTION]).rules]
    fitted = any(scheme.kind == "rate_distortion" for scheme in schemes)
    expected = {*plain["expect"]} - {LATER_GRIDS, NOTHING_ROUNDED, OVER_BUDGET}
    if plain["train"]["quantization_aware"] is not None:
        unknown = any(scheme.coded and not scheme.known_in_training for scheme in schemes)
        expected |= {LATER_GRIDS} if unknown else set()
        expected |= set() if any(scheme.coded for scheme in schemes) else {NOTHING_ROUNDED}
    if not fitted:
        plain["budget"]["margin"] = 0
    plain["expect"] = sorted(expected)
    try:
        return plan_resolved(plain, name)
    except SpecError as error:
        if fitted:
            raise
        try:
            return plan_resolved(plain | {"expect": sorted({*expected, OVER_BUDGET})}, name)
        except SpecError:
            raise error from None
