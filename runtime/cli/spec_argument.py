"""SPEC arguments: a path, `-`, or the name of a shipped spec, with `--set` changes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TextIO

from ...compiler.check import Checked, check_spec
from ...compiler.plan import Plan
from ...compiler.source.diagnostic import Diagnostic
from ...compiler.source.files import STDIN
from ...compiler.source.report import render, summary
from ...compiler.source.shipped import find_shipped, shipped_specs
from ...compiler.source.wording import did_you_mean
from .console import use_colour
from .errors import FAILURE, UserError

_UNREADABLE = "LS001"


def add_spec(parser: argparse.ArgumentParser, name: str = "spec", *, nargs: str | None = None) -> None:
    """Adds a positional SPEC."""
    about = "a file, `-` for standard input, or the name of a shipped spec"
    parser.add_argument(name, metavar=name.upper(), nargs=nargs, help=about)


def add_sets(parser: argparse.ArgumentParser) -> None:
    """Adds the repeatable `--set`, as `arguments.set`."""
    about = "change one key, such as model.dim=576; may be repeated"
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help=about)


def spec_path(spec: str) -> str:
    """The path that a SPEC argument means; a name that is nowhere stays as it is, for reading it to report.

    A folder does not hide the shipped spec of its name: a run's or a build's is often called so.
    """
    if spec == STDIN or (Path(spec).exists() and not Path(spec).is_dir()):
        return spec
    shipped = find_shipped(spec, shipped_specs())
    return spec if shipped is None else _short(shipped)


def read_spec(spec: str, sets: Sequence[str] = ()) -> Checked:
    """The spec after all checks; never raises for a fault of the spec."""
    path = spec_path(spec)
    checked = check_spec(path, sets)
    return replace(checked, diagnostics=tuple(_with_shipped_names(item, path) for item in checked.diagnostics))


def refuse_two_inputs(specs: Sequence[str]) -> None:
    """Standard input can be read once.

    Raises:
        UserError: several of the SPECs are `-`.
    """
    if list(specs).count(STDIN) > 1:
        raise UserError("standard input (-) can stand for one spec only", FAILURE)


def usable_plan(spec: str, sets: Sequence[str] = ()) -> Plan:
    """The plan of a spec without errors; warnings are printed on stderr.

    Raises:
        UserError: the spec has problems, which are then on stderr.
    """
    checked = read_spec(spec, sets)
    print_diagnostics(checked, sys.stderr)
    plan = checked.plan
    if not checked.ok or plan is None:
        raise UserError(f"{spec}: {summary(checked.diagnostics)}")
    return plan


def print_diagnostics(checked: Checked, stream: TextIO) -> None:
    """The diagnostics as text, without their count; nothing where there are none."""
    text = render("text", checked.diagnostics, checked.document.texts, use_colour(stream))
    stream.write(text.removesuffix(f"{summary(checked.diagnostics)}\n"))


def _short(path: Path) -> str:
    """Relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _with_shipped_names(item: Diagnostic, path: str) -> Diagnostic:
    """A bare name that cannot be read was meant as a shipped spec: hint at the nearest of those."""
    if item.code != _UNREADABLE or item.span.file != path or len(PurePath(path).parts) != 1:
        return item
    names = [PurePath(name).stem for name in shipped_specs() if len(PurePath(name).parts) == 1]
    hint = did_you_mean(PurePath(path).stem, names).replace("allowed here:", "shipped specs:")
    return replace(item, hint=f"check the path; {hint}" if hint else item.hint)
