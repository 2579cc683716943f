"""Modules of this package as text, found by name without importing them."""

from __future__ import annotations

from pathlib import Path

from ...compiler.size.code import CodeError

PACKAGE = "loopspec"
_ROOT = Path(__file__).parents[2]  # holds compiler/ and runtime/, in a clone and where it is installed


def is_own(name: str) -> bool:
    """Whether a dotted name is one of this package's."""
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def module_path(name: str) -> Path | None:
    """The file of a module, a package's `__init__.py`; None where there is none. The package itself has no file."""
    place = _ROOT.joinpath(*name.split(".")[1:])
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None) if name != PACKAGE else None


def is_package(name: str) -> bool:
    """Whether the module holds others."""
    path = module_path(name)
    return name == PACKAGE or (path is not None and path.name == "__init__.py")


def module_text(name: str) -> str:
    """The source of a module, "" of the package itself.

    Raises:
        CodeError: there is no such module.
    """
    path = module_path(name)
    if path is None and name != PACKAGE:
        raise CodeError(f"there is no module {name} in {_ROOT}; install the package whole")
    return "" if path is None else path.read_text(encoding="utf-8")
