"""`loopspec new`: a small spec to start from."""

from __future__ import annotations

import argparse
import re
from importlib.resources import files
from pathlib import Path, PurePath

from ....compiler import schema
from ....compiler.source.shipped import find_shipped, shipped_specs
from ....compiler.source.wording import did_you_mean, listing, quoted
from ..errors import CLEAN, UserError
from ..help import describe
from ..registry import COMMANDS

NAME = "new"
SUMMARY = "write a small spec to start from"

_DESCRIPTION = """\
Writes a small, commented spec of a looped model that validates as it is; with
--from a child of a shipped spec, to hold what is to differ. Never overwrites.
Editors that know the YAML language server complete and check its keys."""

_NEXT = ("validate", "plan", "run")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_LONGEST_NAME = 80
_BASES = "bases/"


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(parser, _DESCRIPTION, "loopspec new my.yaml", "loopspec new wider.yaml --from frugendorff-6x2")
    parser.add_argument("file", metavar="FILE", type=Path, help="the file to write")
    about = "write a child of this shipped spec"
    parser.add_argument("--from", metavar="NAME", dest="parent", help=about)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    path: Path = arguments.file
    text = _starter(path) if arguments.parent is None else _child(path, arguments.parent)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise UserError(f"{path} exists already; name another file, or remove it") from None
    except FileNotFoundError:
        raise UserError(f"there is no folder {path.parent} to write {path.name} to; make it first") from None
    print(f"wrote {path}; next:")
    for command in _NEXT:
        if command in COMMANDS:
            print(f"  loopspec {command:<9} {path}")
    return CLEAN


def _starter(path: Path) -> str:
    return _template("starter").replace("@NAME@", _name(path))


def _child(path: Path, parent: str) -> str:
    return _template("child").replace("@NAME@", _name(path)).replace("@PARENT@", _parent_name(parent))


def _template(name: str) -> str:
    text = files(__package__).joinpath("templates", f"{name}.yaml").read_text(encoding="utf-8")
    installed = Path(str(files(schema.__name__))) / "spec-v1.json"
    return text.replace("@SCHEMA@", installed.resolve().as_uri())


def _name(path: Path) -> str:
    """A name that the language allows, from the file's."""
    return _NOT_IN_NAMES.sub("-", path.stem.lower())[:_LONGEST_NAME].strip("._-") or "my-spec"


def _parent_name(given: str) -> str:
    """The parent without its suffix, so that it cannot be taken for a file beside the child."""
    specs = shipped_specs()
    found = find_shipped(given, specs)
    names = {str(PurePath(known).with_suffix("")): path for known, path in specs.items()}
    models = [name for name in names if not name.startswith(_BASES)]
    if found is None:
        raise UserError(f"no shipped spec is called {quoted(given)}; {did_you_mean(given, models)}")
    name = next(name for name, path in names.items() if path == found)
    if name not in models:
        raise UserError(f"{quoted(name)} is no model of its own, only settings; take one of {listing(models)}")
    return name
