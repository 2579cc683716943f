"""Writes the language reference: prose from `reference_prose.md`, tables from the schema, figures from the compiler.

python -m loopspec.compiler.schema.reference [--check] specs/README.md
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from itertools import groupby
from pathlib import Path

from ..check import Checked, check_spec
from ..plan import Plan
from ..source.codes import TITLES
from ..source.extends import MAX_CHAIN
from ..source.files import MAX_BYTES
from ..source.nodes import mapping_to_plain, to_plain
from ..source.shipped import shipped_specs
from ..source.yaml_reader import MAX_DEPTH, MAX_NODES, parse_yaml
from ..spec.ranges import MAX_POSITIONS, expand_path
from .reference_keys import default_block, keys_table, markdown_table, shared_table

NOTICE = "<!-- Generated from compiler/schema by `make reference`; edit compiler/schema/reference_prose.md instead. -->"
MARKER = re.compile(r"<!-- insert: (.+?) -->")

PATHS = (
    ("null", 4),
    ("[0, 2, 1, 3]", 4),
    ("[0..8, 9 x 5, 10]", 11),
    ("[0, 1..3 x 2]", 4),
    ("{cycle: 9}", 3),
    ("{sequence: 9}", 3),
    ("{repeat: 2}", 3),
    ("{repeat: [1, 3, 1]}", 3),
    ("{sandwich: 2}", 4),
    ("{ties: {positions: 15, groups: [[9..13]]}}", 11),
)
FAMILIES = {
    "LS0": "the file, its syntax, `extends`, `--set`, the schema",
    "LS1": "blocks, graph and sharing",
    "LS2": "modes and cadence",
    "LS3": "quantization",
    "LS4": "budget",
    "LS5": "training, and what has no effect",
    "LS6": "rules of the challenge",
}


class GenerationError(ValueError):
    """A reference that cannot be generated or written."""


def reference_text() -> str:
    """The whole reference.

    Raises:
        GenerationError: a marker of the prose that nothing fills, or a spec that does not check.
    """
    prose = files(__package__).joinpath("reference_prose.md").read_text(encoding="utf-8")
    return f"{NOTICE}\n\n{MARKER.sub(lambda found: _filled(found[1]), prose)}"


def _filled(marker: str) -> str:
    """What stands in place of `<!-- insert: WORD ARGUMENT -->`."""
    word, _, argument = marker.partition(" ")
    if word not in _INSERTS:
        raise GenerationError(f"reference_prose.md: no insert is called {word!r}; use {', '.join(_INSERTS)}")
    return _INSERTS[word](argument)


def _example(_: str) -> str:
    """The example's text, and what the compiler says of it."""
    source = files(__package__).joinpath("reference_example.yaml")
    with as_file(source) as path:
        plan = _plan_of(check_spec(path), "reference_example.yaml")
    body = source.read_text(encoding="utf-8").partition("\n")[2]
    size = plan.size
    figures = (
        f"It stores {plan.parameters:,} parameters and runs {len(plan.positions)} positions; with every store counted "
        f"at each use there are {plan.effective_parameters:,}. Artifact and code will take about "
        f"{size.predicted_bytes:,} bytes (from {size.low_bytes:,} to {size.high_bytes:,}) of {size.limit_bytes:,}."
    )
    return f"```yaml\n{body}```\n\n{textwrap.fill(figures, 120)}"


def _bounds(_: str) -> str:
    return (
        f"{MAX_BYTES:,} bytes a file, {MAX_DEPTH} levels, {MAX_NODES:,} values with aliases expanded, "
        f"a chain of {MAX_CHAIN} parents, {MAX_POSITIONS:,} positions a mode"
    )


def _paths(_: str) -> str:
    rows = [[f"`{path}`", str(count), _expanded(path, count)] for path, count in PATHS]
    return markdown_table(["`path`", "blocks", "runs the blocks"], rows)


def _expanded(path: str, count: int) -> str:
    parsed = parse_yaml(f"path: {path}", "path").node
    assert parsed is not None
    plain = to_plain(parsed)
    assert isinstance(plain, dict)
    return " ".join(map(str, expand_path(plain["path"], count)))


def _specs(_: str) -> str:
    rows = [_spec_row(name, path) for name, path in shipped_specs().items()]
    return markdown_table(["file", "parameters", "positions", "predicted bytes", "limit", "about"], rows)


def _spec_row(name: str, path: Path) -> list[str]:
    checked = check_spec(path)
    about = " ".join(str(mapping_to_plain(checked.document.root)["about"]).split())
    if name.startswith("bases/"):  # half a spec, for others to extend
        return [f"[{name}]({name})", "", "", "", "", about]
    plan = _plan_of(checked, name)
    size = plan.size
    bytes_text = f"{size.predicted_bytes:,} ({size.low_bytes:,} to {size.high_bytes:,})"
    return [
        f"[{name}]({name})",
        f"{plan.parameters:,}",
        str(len(plan.positions)),
        bytes_text,
        f"{size.limit_bytes:,}",
        about,
    ]


def _plan_of(checked: Checked, name: str) -> Plan:
    if not checked.ok or checked.plan is None:
        codes = ", ".join(item.code for item in checked.diagnostics)
        raise GenerationError(f"{name} does not check ({codes}); run `loopspec validate` on it")
    return checked.plan


def _codes(_: str) -> str:
    parts = []
    for family, codes in groupby(sorted(TITLES.items()), key=lambda item: item[0][:3]):
        if family not in FAMILIES:
            raise GenerationError(f"codes {family}xx have no title; add it to FAMILIES in reference.py")
        lines = [f"- `{code}` {title}" for code, title in codes]
        parts.append("\n".join([f"**{family}xx**: {FAMILIES[family]}", "", *lines]))
    return "\n\n".join(parts)


_INSERTS: dict[str, Callable[[str], str]] = {
    "example": _example,
    "bounds": _bounds,
    "paths": _paths,
    "default": default_block,
    "keys": keys_table,
    "shared": shared_table,
    "specs": _specs,
    "codes": _codes,
}


def write_reference(path: Path, text: str) -> None:
    """Writes a neighbour and renames it, so that a reader sees the old file or the new one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_current(path: Path, text: str) -> bool:
    """Whether a file holds the text; one that is not there does not."""
    return path.exists() and path.read_text(encoding="utf-8") == text


def main(arguments: Sequence[str] | None = None) -> int:
    """0: written, or up to date; 1: `--check` found it stale; 2: it cannot be generated or written."""
    parser = argparse.ArgumentParser(prog="python -m loopspec.compiler.schema.reference", description=__doc__)
    parser.add_argument("path", type=Path, help="the reference, specs/README.md")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is out of date")
    options = parser.parse_args(arguments)
    try:
        text = reference_text()
        if not options.check:
            write_reference(options.path, text)
        elif not is_current(options.path, text):
            print(f"{options.path} is out of date; run `make reference`", file=sys.stderr)
            return 1
    except (GenerationError, OSError, UnicodeDecodeError) as fault:
        print(f"cannot make {options.path}: {fault}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
