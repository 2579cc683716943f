"""`loopspec show`: a spec as it is written, or as it is understood."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from ....compiler.schema import load_schema
from ....compiler.schema.lookup import takes_null
from ....compiler.source.report import render, summary
from ....compiler.source.resolve import SourceDocument, load_source
from ....compiler.source.wording import visible
from ..console import complain, use_colour
from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..resolved_text import resolved_text
from ..spec_argument import add_sets, add_spec, print_diagnostics, read_spec, spec_path

NAME = "show"
SUMMARY = "a spec as written, or resolved"

_DESCRIPTION = """\
Prints a spec as it is written, with the specs that it extends named above it;
with --resolved as it is understood: parents merged, --set applied, defaults
filled in. A resolved spec stands alone and has the same plan."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec show tied-15l",
        "loopspec show my.yaml --resolved",
        "loopspec show quickstart --resolved --set model.dim=192 > wider.yaml",
    )
    add_spec(parser)
    parser.add_argument("--resolved", action="store_true", help="merge parents and fill in defaults")
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.resolved:
        return _show_resolved(arguments.spec, arguments.set)
    if arguments.set:
        raise UserError("--set changes the resolved spec; add --resolved", FAILURE)
    return _show_source(arguments.spec)


def _show_resolved(spec: str, sets: list[str]) -> int:
    checked = read_spec(spec, sets)
    print_diagnostics(checked, sys.stderr)
    if checked.plain is not None:
        print(resolved_text(checked.plain, checked.plan), end="")
    if not checked.ok:
        complain(f"{spec}: {summary(checked.diagnostics)}")
    return CLEAN if checked.ok else PROBLEMS


def _show_source(spec: str) -> int:
    document = load_source(spec_path(spec), takes_null=partial(takes_null, load_schema()))
    if document.diagnostics:
        sys.stderr.write(render("text", document.diagnostics, document.texts, use_colour(sys.stderr)))
    print(_source_text(document), end="")
    return CLEAN if not document.diagnostics else PROBLEMS


def _source_text(document: SourceDocument) -> str:
    """The chain of files as a comment, then the text of the first; "" where that could not be read."""
    names = list(document.texts)
    if not names or not document.texts[names[0]]:
        return ""
    heads = [f"# {visible(names[0])}"]
    heads += [f"#{'  ' * depth} extends {visible(name)}" for depth, name in enumerate(names[1:], 1)]
    text = document.texts[names[0]]
    return "\n".join([*heads, "", text if text.endswith("\n") else f"{text}\n"])
