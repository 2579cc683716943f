"""Plain values as YAML on one line."""

from __future__ import annotations

from typing import Any

from ...compiler.source.canonical import resolved_yaml


def flow_text(value: Any) -> str:  # noqa: ANN401 - plain YAML values
    """`{cycle: 9}`, `[0..8, 10]`, `true`, `0.5`; a spec may hold the result as it is."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {flow_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(flow_text, value))}]"
    return resolved_yaml({"value": value}).removeprefix("value:").strip()
