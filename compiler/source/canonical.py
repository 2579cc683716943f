"""Canonical YAML text of plain values; `yaml_reader` reads it back to the same values."""

from __future__ import annotations

import re

from .nodes import Plain, ScalarValue
from .scalars import resolve_plain

MAX_WIDTH = 100
_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+ -]*(?<! )")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def resolved_yaml(plain: dict[str, Plain]) -> str:
    """Block style, lists of scalars on one line where they fit, text in quotes only where YAML needs them.

    Floats keep every bit. `plain` must hold finite numbers and text keys only (asserted).
    """
    if not plain:
        return "{}\n"
    return "\n".join(_mapping_lines(plain)) + "\n"


def _mapping_lines(mapping: dict[str, Plain]) -> list[str]:
    lines: list[str] = []
    for key, value in mapping.items():
        head = f"{_text(key)}:"
        flow = _flow(value, MAX_WIDTH - len(head))
        lines += [f"{head} {flow}"] if flow is not None else [head, *_indented(_lines(value))]
    return lines


def _lines(value: Plain) -> list[str]:
    if isinstance(value, dict):
        return _mapping_lines(value)
    assert isinstance(value, list)
    lines: list[str] = []
    for item in value:
        flow = _flow(item, MAX_WIDTH)
        first, *rest = [flow] if flow is not None else _lines(item)
        lines += [f"- {first}", *_indented(rest)]
    return lines


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _flow(value: Plain, width: int) -> str | None:
    """The value on one line, or None when it takes a block."""
    if isinstance(value, dict):
        return None if value else "{}"
    if not isinstance(value, list):
        return _scalar(value)
    scalars = [_scalar(item) for item in value if not isinstance(item, (list, dict))]
    text = f"[{', '.join(scalars)}]"
    return text if len(scalars) == len(value) and (len(text) <= width or not value) else None


def _scalar(value: ScalarValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    text = repr(value)
    assert resolve_plain(text) == value, f"{text} is no number of a spec"
    return text


def _text(text: str) -> str:
    if _SAFE.fullmatch(text) and isinstance(resolve_plain(text), str):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() and character != "\ufeff":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
