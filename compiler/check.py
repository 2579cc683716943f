"""The front end in one call: read, resolve, check against schema and rules, plan. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .passes import freeze, run_passes
from .passes.draft import Draft
from .plan import Plan, SizeEstimate
from .rules import DOCUMENT_RULES, PLAN_RULES, Findings
from .schema import load_schema
from .schema.check import check_against_schema
from .schema.defaults import fill_defaults
from .schema.lookup import known_path, takes_null
from .source.canonical import resolved_yaml
from .source.diagnostic import Diagnostic, has_errors
from .source.expectation import apply_expectations, expected_codes
from .source.limit import limited
from .source.nodes import Mapping, mapping_to_plain
from .source.report import render
from .source.resolve import SourceDocument, load_source
from .source.yaml_reader import parse_yaml
from .spec import Spec
from .spec.build import build_spec

TRAINING_FAULTS = "LS5"  # training and liveness


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec after all checks.

    `plain` is the resolved document (None where the schema already fails), `draft` the passes' annotations and
    `plan` what they come to (None where a rule on the document fails). `ok` tells whether the spec can be used.
    """

    document: SourceDocument
    diagnostics: tuple[Diagnostic, ...]
    plain: dict[str, Any] | None = None
    draft: Draft | None = None
    plan: Plan | None = None

    @property
    def ok(self) -> bool:
        """No error but those that the spec expects."""
        return not has_errors(self.diagnostics)


class SpecError(ValueError):
    """A spec with problems; the message is the text that `validate` prints."""


def check_spec(path: str | Path, sets: Sequence[str] = ()) -> Checked:
    """Checks the spec at `path` ("-": standard input), with `--set` changes. User errors never raise."""
    schema = load_schema()
    return _check_document(load_source(path, sets, partial(known_path, schema), partial(takes_null, schema)))


def load_plan(path: str | Path, sets: Sequence[str] = ()) -> Plan:
    """The plan of a spec.

    Raises:
        SpecError: the spec has problems; all of them are in the message.
    """
    return _usable(check_spec(path, sets))


def plan_resolved(plain: dict[str, Any], name: str) -> Plan:
    """The plan of a resolved document, as an artifact brings it along, after all checks; messages call it `name`.

    Raises:
        SpecError: the document is not a spec of this version, or has problems.
    """
    try:
        text = resolved_yaml(plain)
    except RecursionError as error:
        raise SpecError(f"{name}: nested too deeply for a spec") from error
    parsed = parse_yaml(text, name)
    if not isinstance(parsed.node, Mapping):
        raise SpecError(render("text", parsed.diagnostics, {name: text}) or f"{name}: not a mapping")
    document = SourceDocument(parsed.node, {name: text}, parsed.diagnostics, name)
    return _usable(_check_document(document))


def check_sized(checked: Checked, size: SizeEstimate) -> Checked:
    """The same spec with another estimate of its size, and the findings that follow from that one."""
    return _check_document(checked.document, size)


def _usable(checked: Checked) -> Plan:
    plan = checked.plan
    if not checked.ok or plan is None:
        raise SpecError(render("text", checked.diagnostics, checked.document.texts))
    return plan


def _check_document(document: SourceDocument, size: SizeEstimate | None = None) -> Checked:
    schema = load_schema()
    problems = list(document.diagnostics)
    if document.complete:
        problems += check_against_schema(document.root, schema)
    if has_errors(problems):
        return _finish(document, problems)
    plain = fill_defaults(mapping_to_plain(document.root), schema)
    return _check_meaning(document, problems, plain, size)


def _check_meaning(
    document: SourceDocument, problems: list[Diagnostic], plain: dict[str, Any], size: SizeEstimate | None
) -> Checked:
    findings = Findings(document.root, plain)
    for rule in DOCUMENT_RULES:
        rule(findings)
    expected = {item.code for item in expected_codes(document.root)}
    # an expected fault of training can be planned as it was; a graph that does not fit together cannot, expected or not
    harmless = {code for code in expected if code.startswith(TRAINING_FAULTS)}
    if has_errors(item for item in findings.diagnostics if item.code not in harmless):
        return _finish(document, problems + findings.diagnostics, plain)
    spec: Spec = build_spec(plain)
    draft = run_passes(spec)
    if size is not None:
        draft = replace(draft, size=size)
    for plan_rule in PLAN_RULES:
        plan_rule(findings, draft)
    return _finish(document, problems + findings.diagnostics, spec.plain, draft)


def _finish(
    document: SourceDocument,
    problems: list[Diagnostic],
    plain: dict[str, Any] | None = None,
    draft: Draft | None = None,
) -> Checked:
    expected = expected_codes(document.root)
    if draft is None:
        # what stopped the check fails, expected or not; a problem that did not come may wait behind it
        came = {item.code for item in problems if item.code.startswith(TRAINING_FAULTS)}
        expected = tuple(item for item in expected if item.code in came)
    marked = apply_expectations(problems, expected)
    return Checked(document, tuple(limited(marked)), plain, draft, None if draft is None else freeze(draft))
