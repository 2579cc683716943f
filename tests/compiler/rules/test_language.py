"""Whatever the schema lets through is refused with a message and a place, or compiles and runs in every mode."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given
from support.examples import examples
from support.language_specs import documents

from loopspec.compiler.check import Checked, check_spec
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.source.diagnostic import has_errors


def checked_document(document: dict[str, Any], folder: Path) -> Checked:
    path = folder / "spec.yaml"
    path.write_text(json.dumps(document))
    return check_spec(path)


def only_what_did_not_come(checked: Checked) -> bool:
    """Whether nothing but LS030 is wrong: the expected faults are drawn without looking."""
    return not has_errors(item for item in checked.diagnostics if item.code != "LS030")


@examples(60, suppress_health_check=list(HealthCheck))
@given(document=documents())
def test_a_document_is_refused_with_a_place_or_runs(document: dict[str, Any], tmp_path_factory: Any) -> None:
    checked = checked_document(document, tmp_path_factory.getbasetemp())
    for item in checked.diagnostics:
        assert item.code not in SCHEMA_CODES, f"{item.code} {item.message}"
        assert item.span.line >= 1 and item.message and item.hint
    if checked.plan is None:
        assert not checked.ok
        return
    if not only_what_did_not_come(checked):
        return
    module = build_module(checked.plan, 0).train()
    tokens = torch.randint(11, (1, 8), generator=torch.Generator().manual_seed(0))
    for mode in checked.plan.modes:
        loss = module(tokens, tokens, mode=mode)
        assert torch.isfinite(loss).all(), mode
        loss.backward()
    assert {name for name, parameter in module.named_parameters() if parameter.grad is not None} >= {
        store.name for store in checked.plan.stores if store.gradient_modes
    }


SCHEMA_CODES = frozenset(f"LS{number:03}" for number in range(1, 30))
