"""A tied spec as a file: a child of the spec that it was made from, with what the tie changes and nothing else."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...compiler.check import check_spec
from ...compiler.plan import Plan
from ...compiler.schema import load_schema
from ...compiler.schema.defaults import fill_defaults
from ...compiler.source.canonical import resolved_yaml
from ...compiler.source.report import render
from ...compiler.source.shipped import shipped_specs
from .errors import AnalysisError
from .ties_plan import Proposal
from .ties_text import tie_name

Plain = dict[str, Any]
_NAMING = ("name", "about")
_LONGEST_NAME = 80


def write_tied_spec(plan: Plan, proposal: Proposal, parent: Path | str, path: Path) -> None:
    """Writes a child of `parent`, whose plan is `plan`, and checks it as `validate` does. Never overwrites.

    Args:
        parent: a file, or the name of a shipped spec.

    Raises:
        AnalysisError: the file exists or cannot be written, or (nothing is left then) it does not come out right.
    """
    extends = os.path.relpath(parent, path.parent) if isinstance(parent, Path) else parent
    text = tied_text(plan, proposal, extends)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise AnalysisError(f"{path} exists already; name another file, or remove it") from None
    except OSError as error:
        raise AnalysisError(f"{path} cannot be written ({error.strerror}); name another file") from error
    problem = _problem(path, proposal)
    if problem is not None:
        path.unlink()
        raise AnalysisError(f"{path} was not kept, since it does not come out as the proposal: {problem}")


def parent_of(source: Path, plan: Plan) -> Path | str:
    """What a tied spec of a run or an artifact can extend: the run's spec, or the shipped one that the artifact has.

    Raises:
        AnalysisError: an artifact of no shipped spec.
    """
    if source.is_dir():
        return source / "spec.yaml"
    for name, path in shipped_specs().items():
        checked = check_spec(path)
        if checked.plan is not None and checked.plan.spec.plain == plan.spec.plain:
            return name
    raise AnalysisError(
        f"{source} brings its spec along, but no file to extend; write it with `loopspec unpack {source} -o DIR`, "
        "and give its spec.yaml with --extends"
    )


def tied_text(plan: Plan, proposal: Proposal, extends: str) -> str:
    """The child's text."""
    tie, before, tied = proposal.tie, plan.spec.plain, proposal.plan.spec.plain
    changes = _changes(before, _short_lists(before, tied))
    name = f"{plan.spec.name[: _LONGEST_NAME - len('-tied')]}-tied"
    what = tie_name(tie)
    child: Plain = {
        "spec_version": tied["spec_version"],
        "extends": extends,
        "name": name,
        "about": f"As {plan.spec.name}; {what} are one.",
        **changes,
    }
    return (
        f"# Tied: {what}.\n"
        f"# Influence {tie.influence:.4f} (1 - mean cosine of what enters and leaves, mean over the blocks);\n"
        f"# saves {proposal.parameters_saved:,} parameters and, as predicted, {proposal.bytes_saved:,} bytes.\n"
        f"{resolved_yaml(child)}"
    )


def _changes(before: Plain, after: Plain) -> Plain:
    """Keys of `after` whose values differ, at every depth; lists whole, as a child replaces them."""
    changes: Plain = {}
    for key, value in after.items():
        old = before.get(key)
        if value == old:
            continue
        both = isinstance(value, dict) and isinstance(old, dict)
        changes[key] = _changes(old or {}, value) if both else value
    return changes


def _short_lists(before: Plain, after: Plain) -> Plain:
    """A copy in which the changed lists of mappings leave out what the schema fills in again."""
    schema, whole = load_schema(), after
    document = copy.deepcopy(after)
    for keys in (("graph",), ("quantization", "rules"), ("train", "assign")):
        if _at(before, keys) == _at(after, keys):
            continue
        for item in _at(document, keys):
            _leave_out(item, lambda: fill_defaults(document, schema) == whole)
    return document


def _leave_out(mapping: Plain, unchanged: Callable[[], bool]) -> None:
    """Takes out every key, at every depth, without which the document means the same."""
    for key in list(mapping):
        value = mapping.pop(key)
        if not unchanged():
            mapping[key] = value
            if isinstance(value, dict):
                _leave_out(value, unchanged)


def _at(document: Plain, keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - plain YAML values
    value: Any = document
    for key in keys:
        value = value[key]
    return value


def _problem(path: Path, proposal: Proposal) -> str | None:
    checked = check_spec(path)
    if not checked.ok or checked.plan is None:
        return render("text", checked.diagnostics, checked.document.texts)
    found, wanted = (
        {key: value for key, value in plan.spec.plain.items() if key not in _NAMING}
        for plan in (checked.plan, proposal.plan)
    )
    return None if found == wanted else "another spec; please report this"
