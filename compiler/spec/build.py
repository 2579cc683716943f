"""From the checked, default-filled document to the frozen dataclasses."""

from __future__ import annotations

from typing import Any

from . import Budget, Spec
from .build_architecture import build_architecture
from .cadence import build_cadence
from .quantization import Clip, Codec, Match, Quantization, Rule, Scheme
from .resolve_blocks import resolve_blocks
from .train import (
    Assignment,
    Average,
    Data,
    Evaluate,
    GroupOptimizer,
    MomentumWarmup,
    QuantizationAware,
    Schedule,
    Source,
    Start,
    Stop,
    TokenizerSource,
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
        data=_data(plain["data"]),
        architecture=build_architecture(plain),
        cadence=build_cadence(plain),
        activities=dict(plain["activities"]),
        quantization=_quantization(plain["quantization"]),
        train=_train(plain["train"]),
        evaluate=_evaluate(plain["evaluate"], plain["train"]),
        plain=plain,
    )


def _quantization(plain: Plain) -> Quantization:
    rules = tuple(Rule(_scheme(rule["scheme"]), Match(**rule["match"])) for rule in plain["rules"])
    return Quantization(rules, Codec(**plain["codec"]))


def _scheme(plain: Plain) -> Scheme:
    clip = plain.get("clip")
    return Scheme(plain["kind"], plain.get("bits"), None if clip is None else Clip(**clip))


def _train(plain: Plain) -> Train:
    aware = plain["quantization_aware"]
    nested = {
        "stop": Stop(**plain["stop"]),
        "schedule": Schedule(**plain["schedule"]),
        "optimizer": {group: _optimizer(value) for group, value in plain["optimizer"].items()},
        "assign": tuple(Assignment(rule["to"], Match(**rule["match"])) for rule in plain["assign"]),
        "averages": {name: _average(value) for name, value in plain["averages"].items()},
        "quantization_aware": None if aware is None else QuantizationAware(Start(**aware["start"])),
    }
    return Train(**(plain | nested))


def _average(plain: Plain) -> Average:
    start = plain.get("start")
    return Average(**(plain | {"start": None if start is None else Start(**start)}))


def _optimizer(plain: Plain) -> GroupOptimizer:
    warmup = plain.get("momentum_warmup")
    betas = plain.get("betas")
    nested = {
        "momentum_warmup": None if warmup is None else MomentumWarmup(**warmup),
        "betas": None if betas is None else (betas[0], betas[1]),
    }
    return GroupOptimizer(**(plain | nested))


def _data(plain: Plain) -> Data:
    return Data(Source(**plain["source"]), TokenizerSource(**plain["tokenizer"]), plain["order"])


def _evaluate(plain: Plain, train: Plain) -> Evaluate:
    return Evaluate(**(plain | {"sequence_length": plain["sequence_length"] or train["sequence_length"]}))
