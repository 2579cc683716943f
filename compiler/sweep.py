"""Sweep files: a base spec, and arms that vary it by the changes that `--set` takes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from .check import Checked, SpecError, check_spec
from .schema import Schema
from .schema.check import check_against_schema
from .source.diagnostic import Diagnostic, Related, error, has_errors
from .source.files import read_source
from .source.nodes import Mapping, Node, Plain, Scalar, mapping_to_plain, node_at
from .source.report import render
from .source.shipped import find_shipped, shipped_specs
from .source.wording import did_you_mean, quoted
from .source.yaml_reader import parse_yaml


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant; `sets` are its changes of the base, those of the whole sweep included, as `--set` takes them."""

    name: str
    sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A base spec and its arms, in the order of the file."""

    name: str
    about: str
    base: Path
    arms: tuple[Arm, ...]

    def check(self, arm: Arm) -> Checked:
        """The arm's spec after all checks; its faults point at the base, or at the change that causes them."""
        return check_spec(self.base, arm.sets)


def load_sweep(path: str | Path) -> Sweep:
    """Reads a sweep file. The arms' specs are not checked here: see `Sweep.check`.

    Raises:
        SpecError: the file has problems; all of them are in the message.
    """
    source = read_source(path)
    problems = list(source.diagnostics)
    node: Node | None = None
    if not problems:
        parsed = parse_yaml(source.text, source.file)
        node, problems = parsed.node, list(parsed.diagnostics)
    if isinstance(node, Mapping):
        problems += check_against_schema(node, _schema())
        if not has_errors(problems):
            problems += [*_repeated_names(node), *_missing_base(node, Path(path).parent)]
    elif node is not None:
        problems.append(error("LS005", node.span, "a sweep must be a mapping of keys to values", "see specs/sweeps"))
    if has_errors(problems):
        raise SpecError(render("text", problems, {source.file: source.text}))
    assert isinstance(node, Mapping)
    return _build(mapping_to_plain(node), Path(path).parent)


def _build(plain: dict[str, Plain], folder: Path) -> Sweep:
    arms, common = plain["arms"], _changes(plain)
    assert isinstance(arms, list)
    base = _locate(str(plain["base"]), folder)
    assert base is not None
    return Sweep(str(plain["name"]), str(plain.get("about", "")), base, tuple(_arm(arm, common) for arm in arms))


def _arm(arm: Plain, common: dict[str, Plain]) -> Arm:
    assert isinstance(arm, dict)
    changes = common | _changes(arm)
    # JSON is flow-style YAML
    sets = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in changes.items())
    return Arm(str(arm["name"]), tuple(sets))


def _changes(plain: dict[str, Plain]) -> dict[str, Plain]:
    changes = plain.get("set", {})
    assert isinstance(changes, dict)
    return changes


def _repeated_names(root: Mapping) -> list[Diagnostic]:
    """LS027 for each arm with the name of an earlier one."""
    problems: list[Diagnostic] = []
    seen: dict[object, Scalar] = {}
    index = 0
    while isinstance(name := node_at(root, ("arms", index, "name")), Scalar):
        if name.value in seen:
            first = (Related(seen[name.value].span, "the first arm of that name"),)
            message = f"a second arm named {quoted(name.value)}"
            problems.append(error("LS027", name.span, message, "give each arm its own name", first))
        seen.setdefault(name.value, name)
        index += 1
    return problems


def _missing_base(root: Mapping, folder: Path) -> list[Diagnostic]:
    """LS014 where no spec is found."""
    node = root.entries["base"].value
    assert isinstance(node, Scalar) and isinstance(node.value, str)
    if _locate(node.value, folder) is not None:
        return []
    message = f"the base {quoted(node.value)} is neither a file beside this sweep nor a spec of the package"
    return [error("LS014", node.span, message, did_you_mean(node.value, list(shipped_specs())))]


def _locate(name: str, folder: Path) -> Path | None:
    """The file of that path from `folder`, else the shipped spec of that name."""
    beside = Path(os.path.normpath(folder / name))
    return beside if beside.is_file() else find_shipped(name, shipped_specs())


@cache
def _schema() -> Schema:
    text = files(__package__).joinpath("schema/sweep-v1.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text)
    return schema
