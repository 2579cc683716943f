"""The plan of a run from its folder alone. Imports no torch, so that commands can refuse early."""

from __future__ import annotations

from pathlib import Path

from ...compiler.check import SpecError, load_plan
from ...compiler.plan import Plan
from ..train.errors import RunFolderError


def read_run_plan(folder: Path) -> Plan:
    """The plan of the run in a folder.

    Raises:
        RunFolderError: the folder holds no run, or its spec.yaml was damaged.
    """
    path = folder / "spec.yaml"
    if not path.is_file():
        raise RunFolderError(f"{folder} holds no run: there is no {path}; check the path, or start a new run")
    try:
        return load_plan(path)
    except SpecError as error:
        raise RunFolderError(f"{path} is not a resolved spec of this version; start a new run\n{error}") from error
