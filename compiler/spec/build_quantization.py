"""From the plain `quantization` section to its dataclasses."""

from __future__ import annotations

from typing import Any

from .published_schemes import PUBLISHED
from .quantization import Calibration, Clip, Codec, Gptq, Match, Quantization, RowBits, Rule, Scheme, Step

Plain = dict[str, Any]


def build_quantization(plain: Plain) -> Quantization:
    """The section of a resolved, checked spec."""
    rules = tuple(Rule(build_scheme(rule["scheme"]), Match(**rule["match"])) for rule in plain["rules"])
    return Quantization(rules, Codec(**plain["codec"]), Calibration(**plain["calibration"]))


def build_scheme(plain: Plain) -> Scheme:
    """A scheme from its plain form, which the schema has checked."""
    if plain["kind"] == "published":
        return PUBLISHED[plain["name"]]
    nested = {
        "clip": (_build_clip, plain.get("clip")),
        "step": (_build_step, plain.get("step")),
        "gptq": (lambda value: Gptq(**value), plain.get("gptq")),
        "row_bits": (lambda value: RowBits(**value), plain.get("row_bits")),
    }
    return Scheme(**(plain | {key: build(value) for key, (build, value) in nested.items() if value is not None}))


def _build_clip(plain: Plain) -> Clip:
    return Clip(**(plain | {"percentiles": tuple(plain.get("percentiles", ()))}))


def _build_step(plain: Plain) -> Step:
    renamed = {"kind": "per", "columns": "group"}
    return Step(**{renamed.get(key, key): value for key, value in plain.items()})
