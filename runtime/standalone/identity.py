"""What an artifact must have in common with a script that reads it: the parts of its spec, and its tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ...compiler.spec.evaluate import build_evaluate

SECTIONS = ("spec_version", "model", "blocks", "graph", "modes", "activities", "evaluate")
"""Sections of a spec that decide on the model and on its score.

Data, training, quantization and budget may differ: the artifact itself says how its stores lie in it.
"""

_DIGITS = 16


def identity(spec: Mapping[str, Any], tensors: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, str]:
    """Hex digests by section of the resolved spec, and of the names and shapes of stores and states as `stores`."""
    parts: dict[str, Any] = {section: spec.get(section) for section in SECTIONS}
    parts["evaluate"] = asdict(build_evaluate(spec["evaluate"], spec["train"]))  # its window may be training's
    parts["stores"] = sorted([name, *shape] for name, shape in tensors)
    return {name: _digest(part) for name, part in parts.items()}


def _digest(plain: object) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
