"""A resolved spec as text: canonical YAML, with each stage's path spelled out beside its sugar."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from ...compiler.plan import Plan
from ...compiler.source.canonical import resolved_yaml

_SECTION = re.compile(r"(?m)^graph:\n(?:[ -].*\n)+")
_PATH_KEY = re.compile(r"(?m)^    path:")
_WIDTH = 79


def resolved_text(plain: dict[str, Any], plan: Plan | None) -> str:
    """YAML with defaults filled in and parents merged, which has the same plan as the spec that it comes from."""
    text = resolved_yaml(plain)
    if plan is None:
        return text
    return _SECTION.sub(lambda section: _with_paths(section[0], plan), text, count=1)


def _with_paths(section: str, plan: Plan) -> str:
    """Puts a comment above the `path` of each stage; in a canonical text those are the only keys at this depth."""
    stages = iter(plan.spec.architecture.stages)
    return _PATH_KEY.sub(lambda key: f"{_comment(next(stages).path)}\n{key[0]}", section)


def _comment(path: tuple[int, ...]) -> str:
    numbers = " ".join(map(str, path))
    return textwrap.fill(numbers, _WIDTH, initial_indent="    # path: ", subsequent_indent="    #       ")
