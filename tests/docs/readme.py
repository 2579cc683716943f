"""Writes what the README shows from the tool itself: `python tests/docs/readme.py README.md [RUN_FOLDER]`.

Each shown piece stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. The table of `make demo` comes from the
report.json of a run folder and stays as it is where none is given; all else is computed from the shipped specs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from loopspec.compiler import load_plan
from loopspec.compiler.emit.source import emit_source
from loopspec.runtime.pipeline.report import Report, report_text
from loopspec.runtime.standalone.sources import script_bytes

SPECS = Path(__file__).parents[2] / "specs"
SYSTEMS = ("frugendorff-6x2", "micro-crawler", "tied-15l", "cycle-3x9", "baseline-9l")
SHOWN_POSITION = 10


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def tied_spec() -> str:
    return fenced("yaml", (SPECS / "tied-15l.yaml").read_text())


def systems_table() -> str:
    lines = ["| spec | what it is | parameters | positions | bytes predicted |", "|---|---|---:|---:|---:|"]
    for name in SYSTEMS:
        plan = load_plan(SPECS / f"{name}.yaml")
        about = " ".join(plan.spec.about.split()).rstrip(".")
        lines.append(
            f"| [`{name}`](specs/{name}.yaml) | {about} | {plan.parameters:,} | {len(plan.positions)} "
            f"| {plan.size.predicted_bytes:,} |"
        )
    return "\n".join(lines)


def emitted_position() -> str:
    """The lines of one position of the tied spec's forward."""
    source = emit_source(load_plan(SPECS / "tied-15l.yaml"))
    lines = source[source.index(f"        # position {SHOWN_POSITION}:") :].splitlines()
    return fenced("python", "\n".join(line.removeprefix("        ") for line in lines[: lines.index("")]))


def recipe() -> str:
    """The spec that uses most of a recipe."""
    return fenced("yaml", (SPECS / "quickstart-recipe.yaml").read_text())


def script_sizes() -> str:
    """In whole kB, which small changes of the code leave as they are."""
    own, other = (script_bytes(load_plan(SPECS / f"{name}.yaml")) for name in ("quickstart", "micro-crawler"))
    return (
        f"It is {own.wrapped / 1000:.0f} kB for quickstart, of {own.readable / 1000:.0f} kB of source and "
        f"{own.minified / 1000:.0f} kB minified, and {other.wrapped / 1000:.0f} kB for micro-crawler."
    )


PIECES: dict[str, Callable[[], str]] = {
    "tied-spec": tied_spec,
    "recipe": recipe,
    "systems": systems_table,
    "position": emitted_position,
    "script": script_sizes,
}


def filled(text: str, run: Path | None = None) -> str:
    """The README with every piece made anew."""
    pieces = {name: make() for name, make in PIECES.items()}
    if run is not None:
        pieces["demo"] = fenced("text", report_text(Report(**json.loads((run / "report.json").read_text()))))
    for name, piece in pieces.items():
        pattern = rf"(<!-- begin {name} -->\n).*?(\n<!-- end {name} -->)"
        text, count = re.subn(pattern, lambda found, piece=piece: found[1] + piece + found[2], text, flags=re.DOTALL)
        assert count == 1, f"{count} places for {name}"
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(filled(readme.read_text(), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
