"""From the plain `quantization` section to its dataclasses."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .published_schemes import PUBLISHED
from .quantization import Calibration, Clip, Codec, Gptq, Match, Quantization, RowBits, Rule, Scheme, Step

Plain = dict[str, Any]
_STEP_KEYS = {"per": "kind", "group": "columns"}
"""Of the dataclass, as the spec spells them."""


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


def plain_scheme(scheme: Scheme) -> Plain:
    """The plain form of a scheme, without what is as by default; `build_scheme` makes the scheme of it again."""
    plain = _given(asdict(scheme), asdict(Scheme(scheme.kind)))
    nested = {
        "clip": _given(plain.get("clip") or {}, asdict(Clip()) | {"kind": None}),
        "step": _step(plain.get("step") or {}),
    }
    return plain | {key: value for key, value in nested.items() if value}


def _given(plain: Plain, defaults: Plain) -> Plain:
    """Without values as by default; `kind` stays."""
    values = {key: value for key, value in plain.items() if key == "kind" or value != defaults[key]}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _step(plain: Plain) -> Plain:
    if not plain:
        return {}
    given = {"per": plain["per"]} | _given(plain, asdict(Step()))
    return {_STEP_KEYS.get(key, key): value for key, value in given.items()}


def _build_clip(plain: Plain) -> Clip:
    return Clip(**(plain | {"percentiles": tuple(plain.get("percentiles", ()))}))


def _build_step(plain: Plain) -> Step:
    renamed = {spelled: name for name, spelled in _STEP_KEYS.items()}
    return Step(**{renamed.get(key, key): value for key, value in plain.items()})
