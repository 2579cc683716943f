"""`loopspec verify`: whether an artifact is whole and holds what its own spec says."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import CLEAN, UserError
from ..help import describe

NAME = "verify"
SUMMARY = "check all of an artifact, and rebuild its model"

_DESCRIPTION = """\
Checks an artifact, one line for each thing that is sound:

  file    magic, format version, length, the SHA-256 of the whole
  header  canonical, nothing in it unknown, sizes within bounds
  streams the SHA-256 of each, and that each decodes to what the header says
  plan    the spec inside has no problems, and its stores, shapes, storages,
          states and dedup map are those of the tables
  stores  every code within its grid, every value finite
  model   the module builds, and holds the decoded stores bit for bit

Exit code 0: all is sound; 1: something is not, and the message says what."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    artifact = "runs/quickstart-001/artifact.loopspec"
    describe(parser, _DESCRIPTION, f"loopspec verify {artifact}", f"loopspec verify {artifact} --no-module")
    parser.add_argument("artifact", metavar="ARTIFACT", type=Path)
    parser.add_argument("--no-module", action="store_true", help="leave the model unbuilt; needs no torch")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...artifact import ArtifactError
    from ...quantize import QuantizeError

    path: Path = arguments.artifact
    try:
        _verify_file(path)
    except (ArtifactError, QuantizeError) as error:
        text = str(error)
        raise UserError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    if not arguments.no_module:
        _verify_module(path)
    return CLEAN


def _verify_file(path: Path) -> None:
    from ...artifact.container import FORMAT_VERSION, decode_container, open_container
    from ...artifact.file import read_bytes
    from ...pipeline.artifact_plan import artifact_plan
    from ...quantize import decode

    container = open_container(read_bytes(path), str(path))
    _sound("file", f"{container.file_bytes:,} bytes, format version {FORMAT_VERSION}")
    _sound("header", f"{len(container.header.stores)} stores, {len(container.header.states)} states")
    contents = decode_container(container, str(path))
    _sound("streams", ", ".join(f"{stream} by {codec}" for stream, codec in container.header.streams.items()))
    plan = artifact_plan(path, contents)
    shared = sum(store.sites > 1 for store in plan.exported_stores)
    _sound("plan", f"spec {plan.spec.name}; {shared} stores are read by several sites and written once")
    weights = sum(decode(tensor).size for tensor in contents.tensors.values())
    _sound("stores", f"{weights:,} values, all finite")


def _verify_module(path: Path) -> None:
    from ...pipeline.module_check import check_module
    from ..failures import reported

    with reported():
        held = check_module(path)
    _sound("model", f"built; {held} parameters and buffers hold the stores and states")


def _sound(what: str, detail: str) -> None:
    print(f"{what:<8}ok  {detail}", flush=True)
