"""From the checked, default-filled document to the frozen dataclasses."""

from __future__ import annotations

from typing import Any

from . import Budget, Spec
from .batches import BatchShape, build_batch_phases
from .build_architecture import build_architecture
from .build_quantization import build_quantization
from .cadence import build_cadence
from .clock import Stop
from .data import build_data
from .evaluate import build_evaluate
from .optimizer import Assignment, build_optimizer
from .penalties import build_penalties
from .quantization import Match
from .resolve_blocks import resolve_blocks
from .train import (
    Average,
    DecayRule,
    Finish,
    QuantizationAware,
    Schedule,
    Start,
    Train,
)

Plain = dict[str, Any]


def build_spec(plain: Plain) -> Spec:
    """Builds the Spec of a document that has passed schema and rules; its `plain` has every block's defaults too.

    Raises:
        PathError: a path or range without meaning.
    """
    plain = resolve_blocks(plain)
    return Spec(
        name=plain["name"],
        about=plain["about"],
        budget=Budget(**plain["budget"]),
        data=build_data(plain["data"]),
        architecture=build_architecture(plain),
        cadence=build_cadence(plain),
        activities=dict(plain["activities"]),
        quantization=build_quantization(plain["quantization"]),
        train=_train(plain["train"]),
        evaluate=build_evaluate(plain["evaluate"], plain["train"]),
        plain=plain,
    )


def _train(plain: Plain) -> Train:
    aware = plain["quantization_aware"]
    shape = BatchShape(plain["sequence_length"], plain["batch_tokens"], plain["accumulation"])
    nested = {
        "stop": Stop(**plain["stop"]),
        "schedule": Schedule(**plain["schedule"]),
        "optimizer": {group: build_optimizer(value) for group, value in plain["optimizer"].items()},
        "penalties": build_penalties(plain["penalties"]),
        "assign": tuple(Assignment(rule["to"], Match(**rule["match"])) for rule in plain["assign"]),
        "averages": {name: _average(value) for name, value in plain["averages"].items()},
        "quantization_aware": None if aware is None else QuantizationAware(Start(**aware["start"])),
        "batch_schedule": build_batch_phases(plain["batch_schedule"], shape),
        "finish": tuple(Finish(**(step | {"start": _start(step.get("start"))})) for step in plain["finish"]),
    }
    return Train(**(plain | nested))


def _average(plain: Plain) -> Average:
    decays = tuple(DecayRule(Match(**rule["match"]), rule["decay"]) for rule in plain.get("decays", ()))
    return Average(**(plain | {"start": _start(plain.get("start")), "decays": decays}))


def _start(plain: Plain | None) -> Start | None:
    return None if plain is None else Start(**plain)
