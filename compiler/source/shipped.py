"""The specs that come with the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

_PACKAGE = "loopspec.specs"
_SUFFIXES = (".yaml", ".yml")
_SWEEPS = "sweeps"  # a folder of sweep files, which are no specs


def shipped_specs() -> dict[str, Path]:
    """Name within `specs/` (such as `bases/challenge.yaml`) -> path, for every spec that comes with the package."""
    try:
        folder = files(_PACKAGE)
    except ModuleNotFoundError:
        return {}
    return dict(sorted(_specs_below(folder, "")))


def find_shipped(name: str, specs: dict[str, Path]) -> Path | None:
    """The shipped spec of that name, with or without its suffix, and without its folder where only one has the name."""
    wanted = {name, *(name + suffix for suffix in _SUFFIXES)}
    exact = [path for known, path in specs.items() if known in wanted]
    if exact:
        return exact[0]
    bare = [path for known, path in specs.items() if PurePosixPath(known).name in wanted]
    return bare[0] if len(bare) == 1 else None


def _specs_below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Path]]:
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != _SWEEPS:
                yield from _specs_below(item, f"{prefix}{item.name}/")
        elif item.name.endswith(_SUFFIXES):
            yield prefix + item.name, Path(str(item))
