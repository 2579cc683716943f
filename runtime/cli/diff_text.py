"""The differences of two specs and their plans, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ...compiler.folding import fold
from ...compiler.source.canonical import resolved_yaml
from .plan_diff import Figure, PlanChanges, StoreChange
from .spec_diff import ABSENT, KeyChange
from .yaml_flow import flow_text

_WIDTH = 79


def diff_text(names: tuple[str, str], keys: Sequence[KeyChange], plan: PlanChanges) -> str:
    """`""` where nothing differs; `-` marks what only A has, `+` what only B has."""
    if not keys and not plan.any:
        return ""
    sections = {
        "keys that differ": _changed([(c.key, flow_text(c.a), flow_text(c.b)) for c in keys if _in_both(c)]),
        "keys only in A": [line for c in keys if c.b is ABSENT for line in _key("-", c.key, c.a)],
        "keys only in B": [line for c in keys if c.a is ABSENT for line in _key("+", c.key, c.b)],
        "plan": [_figure(figure) for figure in plan.figures if figure.a != figure.b],
        "stores only in A": _stores("-", plan.removed),
        "stores only in B": _stores("+", plan.added),
        "stores of another shape": _store_changes(plan.reshaped),
        "stores trained or stored otherwise": _store_changes(plan.treated),
    }
    lines = [f"A: {names[0]}", f"B: {names[1]}"]
    for title, body in sections.items():
        lines += ["", title, *body] if body else []
    return "\n".join(lines) + "\n"


def diff_json(names: tuple[str, str], keys: Sequence[KeyChange], plan: PlanChanges) -> dict[str, Any]:
    """The same, unfolded, as JSON-able data."""
    return {
        "equal": not keys and not plan.any,
        "a": names[0],
        "b": names[1],
        "keys": {
            "changed": [{"key": c.key, "a": c.a, "b": c.b} for c in keys if _in_both(c)],
            "only_in_a": [{"key": c.key, "value": c.a} for c in keys if c.b is ABSENT],
            "only_in_b": [{"key": c.key, "value": c.b} for c in keys if c.a is ABSENT],
        },
        "figures": {figure.name: {"a": figure.a, "b": figure.b} for figure in plan.figures},
        "stores": {
            "only_in_a": [{"name": name, "shape": shape} for name, shape in plan.removed],
            "only_in_b": [{"name": name, "shape": shape} for name, shape in plan.added],
            "reshaped": [asdict(change) for change in plan.reshaped],
            "treated_otherwise": [asdict(change) for change in plan.treated],
        },
    }


def _in_both(change: KeyChange) -> bool:
    return change.a is not ABSENT and change.b is not ABSENT


def _changed(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """`name  a -> b` on one line where it fits, else the two below the name."""
    width = max((len(name) for name, a, b in rows if len(name) + len(a) + len(b) + 8 <= _WIDTH), default=0)
    lines: list[str] = []
    for name, a, b in rows:
        fitting = [line for pad in (width, 0) if len(line := f"  {name.ljust(pad)}  {a} -> {b}") <= _WIDTH]
        lines += fitting[:1] or [f"  {name}", *_long("-", a), *_long("+", b)]
    return lines


def _key(mark: str, key: str, value: Any) -> list[str]:  # noqa: ANN401 - plain YAML values
    """A key and its value on one line where it fits, else as a YAML block."""
    line = f"  {mark} {key}: {flow_text(value)}"
    if len(line) <= _WIDTH:
        return [line]
    return [f"  {mark} {part}" for part in resolved_yaml({key: value}).splitlines()]


def _long(mark: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"    {mark} ",
        subsequent_indent=" " * 6,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _figure(figure: Figure) -> str:
    name = figure.name.replace("_", " ")
    return f"  {name:<21}{figure.a:,} -> {figure.b:,} ({figure.b - figure.a:+,})"


def _stores(mark: str, named: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {mark} {row.name}  {row.value}{_times(row.count)}" for row in fold(named)]


def _store_changes(changes: Sequence[StoreChange]) -> list[str]:
    rows = fold((change.name, (change.a, change.b)) for change in changes)
    return _changed([(row.name, row.value[0], f"{row.value[1]}{_times(row.count)}") for row in rows])


def _times(count: int) -> str:
    return f" ({count} alike)" if count > 1 else ""
