"""`loopspec unpack`: an artifact's parts as plain files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import CLEAN, UserError
from ..help import describe

NAME = "unpack"
SUMMARY = "write an artifact's spec, source, weights and tokenizer as files"

_DESCRIPTION = """\
Opens an artifact and writes what is in it: spec.yaml (resolved), plan.txt,
model.py, dedup_map.json, weights.npz (every store once, dequantized, and the
states, all float32) and tokenizer.model where the artifact carries it. DIR
must be new or empty."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(parser, _DESCRIPTION, "loopspec unpack runs/quickstart-001/artifact.loopspec -o unpacked")
    parser.add_argument("artifact", metavar="ARTIFACT", type=Path)
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="a new or empty folder")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...pipeline.scoring import open_artifact
    from ...pipeline.unpacking import write_parts
    from ..failures import reported

    folder: Path = arguments.output
    with reported():
        opened = open_artifact(arguments.artifact)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} is there already; name a new or empty folder")
        paths = write_parts(opened, folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); name another folder with -o") from error
    for path in paths:
        print(path)
    return CLEAN
