"""The registry of operations agrees with the sublayers it names and with the schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.small_specs import group, plan_of, small
from torch import nn

from loopspec.compiler import modules
from loopspec.compiler.graph.model import Site
from loopspec.compiler.modules.mlp import ACTIVATIONS
from loopspec.compiler.operations import (
    ALWAYS,
    DELTA_MATRICES,
    FIRING_RULES,
    LOSSES,
    OPERATIONS,
    Operation,
    SiteContext,
)
from loopspec.compiler.schema import load_schema

FUNCTIONS = {name: op for name, op in OPERATIONS.items() if op.call.isidentifier()}
TEMPLATES = {name: op for name, op in OPERATIONS.items() if "{" in op.call}
CLASSES = {
    "embedding": modules.TokenEmbedding,
    "ngram_hash": modules.NgramHash,
    "smear_gate": modules.SmearGate,
    "value_embedding": modules.ValueEmbedding,
    "attention": modules.Attention,
    "attention_and_values": modules.Attention,
    "mlp": modules.Mlp,
    "record_trace": modules.SkipTrace,
    "add_trace": modules.SkipTrace,
}


def passes(function: Callable[..., Any], operation: Operation, positional: int, named: set[str]) -> None:
    """A call with that many positional arguments and those keywords binds, and leaves no required one out."""
    parameters = inspect.signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    inspect.signature(function).bind(*range(positional), **dict.fromkeys(named))
    assert operation.variadic == (inspect.Parameter.VAR_POSITIONAL in kinds)
    for name, default in operation.constants.items():
        expected = inspect.Parameter.empty if default is ALWAYS else default
        assert name not in named or name == "return_values" or parameters[name].default == expected, name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_call_names_a_function_that_takes_what_it_is_given(name: str) -> None:
    operation = FUNCTIONS[name]
    assert operation.call in modules.__all__
    function = getattr(modules, operation.call)
    assert inspect.isfunction(function) and not operation.optional and not operation.optional_slots
    slots = () if operation.variadic else operation.slots
    named = set(operation.constants) | (set(operation.slots) if operation.variadic else set())
    passes(function, operation, len(operation.inputs) + len(slots), named)
    if not operation.variadic:  # by position, so the function's own names say whether the order is right
        names = list(inspect.signature(function).parameters)[len(operation.inputs) : len(operation.inputs + slots)]
        assert len(slots) < 2 or names == list(slots)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_reads_every_port_slot_and_constant_and_nothing_else(name: str) -> None:
    operation = TEMPLATES[name]
    known = {*operation.inputs, *operation.slots, *operation.states, *operation.writes, *operation.constants}
    assert set(re.findall(r"{(\w+)}", operation.call)) == known
    assert all(value is ALWAYS for value in operation.constants.values())  # a template leaves none out
    called = re.findall(r"(?<![\w.}])(\w+)\(", operation.call)
    assert set(called) <= set(modules.__all__)


def test_every_other_operation_is_a_source_or_a_sublayers() -> None:
    sublayers = {name for name, operation in OPERATIONS.items() if operation.sublayer}
    sources = {name for name, operation in OPERATIONS.items() if operation.source}
    assert sources == {"tokens", "targets"} and sublayers == set(CLASSES)
    assert sublayers | sources | set(FUNCTIONS) | set(TEMPLATES) == set(OPERATIONS)


@pytest.mark.parametrize("name", CLASSES)
def test_a_sublayers_method_takes_what_it_is_given(name: str) -> None:
    operation = OPERATIONS[name]
    method = getattr(CLASSES[name], operation.call.removeprefix(".") or "forward")
    named = {*operation.optional, *operation.constants}
    named |= {
        slot for slot in operation.optional_slots if slot == "gain" or "_delta_" in slot
    }  # a call overrides these
    passes(method, operation, 1 + len(operation.inputs), named)


def _varied() -> nn.Module:
    model = {
        "vocab_size": 11,
        "dim": 16,
        "input": [{"kind": "ngram_hash", "order": 2, "buckets": 7, "dim": 3}, {"kind": "smear_gate"}],
        "value_embedding": {"dim": 4},
    }
    wide = {"heads": 2, "kv_heads": 2, "differential": True, "query_rank": 3, "q_gain": 1.0}
    plain = small(
        model=model,
        blocks={
            "core": group(1, attention=wide, mlp={"ratio": 2, "activation": "swiglu"}, value_embedding=True),
            "tail": group(1),
        },
        graph=[
            {"stage": "trunk", "blocks": "core", "loops": 2},
            {"stage": "tail", "blocks": "tail", "value_residual": {}, "skip_trace": {}},
        ],
        modes={"away": {"tail": {"loops": 0}}},
    )
    plan = plan_of(plain)
    names = {site.module: site.operation for site in plan.graph.nodes(Site) if site.module is not None}
    sources = {path: eval(source, vars(modules) | {"torch": torch}) for path, source in plan.graph.sublayers.items()}
    return nn.ModuleDict({path.replace(".", "/"): sources[path] for path in names}), names


def test_a_sublayers_parameters_are_the_operations_slots() -> None:
    layers, operations = _varied()
    for path, name in operations.items():
        parameters = {slot for slot, _ in layers[path.replace(".", "/")].named_parameters()}
        operation = OPERATIONS[name]
        assert parameters <= {*operation.slots, *operation.optional_slots}, path
        assert parameters >= set(operation.slots) or name == "record_trace", path
    assert {"ngram_hash", "smear_gate", "value_embedding", "attention", "mlp"} <= set(operations.values())


def test_firing_rules_are_the_schemas_kinds() -> None:
    (combine,) = (each["combine"] for each in _objects(load_schema()["$defs"]["stage"]) if "combine" in each)
    assert set(FIRING_RULES) == set(combine["properties"]["kind"]["enum"])


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Every mapping in a JSON document."""
    if isinstance(schema, list):
        return [each for item in schema for each in _objects(item)]
    return [schema, *(each for item in schema.values() for each in _objects(item))] if isinstance(schema, dict) else []


def test_activations_are_the_schemas_but_for_the_gated_one() -> None:
    enum = load_schema()["$defs"]["mlp_activation"]["enum"]
    assert set(enum) == {*ACTIVATIONS, "swiglu"} and "swiglu" not in ACTIVATIONS


def test_delta_matrices_are_optional_slots_of_the_sublayers() -> None:
    for sublayer, matrices in DELTA_MATRICES.items():
        slots = {f"{matrix}_delta_{end}" for matrix in matrices for end in ("down", "up")}
        assert slots == {slot for slot in OPERATIONS[sublayer].optional_slots if "_delta_" in slot}


def test_losses_are_one_number() -> None:
    assert set(OPERATIONS) >= LOSSES
    context = SiteContext({}, {"loss": 1}, {"weights": (2,)})
    assert {OPERATIONS[name].width(context) for name in LOSSES} == {1}
