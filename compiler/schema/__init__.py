"""The language's JSON Schema (draft 2020-12), and what is read out of it."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]


@cache
def load_schema() -> Schema:
    """The schema of spec_version 1. The one object is shared by all callers: read it, never change it."""
    text = files(__package__).joinpath("spec-v1.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema
