"""`loopspec inspect`: what is in an artifact, and what it weighs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import CLEAN, UserError
from ..help import describe

NAME = "inspect"
SUMMARY = "what an artifact holds, and what each store weighs"

_DESCRIPTION = """\
Lists an artifact's streams and its stores, the heaviest first: how each is
stored, its bytes and their share of the file, bits a weight, and the entropy
of its codes (of a float's bytes: plane by plane), which is about what a coder
can reach that looks at nothing but their frequencies. All stores are coded
together, so a store's bytes are its share by entropy of the streams codes and
pool, which the shares add up to. Then what would take most bytes off, each by
itself; what it would cost in loss is for `loopspec pack --bits-table` and
`loopspec sensitivity` to say.

`int6/row` are codes -31..31 with a step a row; `grid` codes with a step for
each row and column; `rank 8` a low-rank term beside the codes.
Neither torch nor the model is needed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    artifact = "runs/quickstart-001/artifact.loopspec"
    describe(parser, _DESCRIPTION, f"loopspec inspect {artifact}", f"loopspec inspect {artifact} --json")
    parser.add_argument("artifact", metavar="ARTIFACT", type=Path)
    parser.add_argument("--json", action="store_true", help="all of it as one JSON object")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...artifact import ArtifactError
    from ...artifact.container import open_container
    from ...artifact.file import read_bytes
    from ...artifact.inspection import inspect_container
    from ...artifact.savings import savings
    from ..inspection_text import inspection_json, inspection_text

    path: Path = arguments.artifact
    try:
        inspection = inspect_container(open_container(read_bytes(path), str(path)), str(path))
    except ArtifactError as error:
        raise UserError(str(error)) from error
    advice = savings(inspection)
    if arguments.json:
        print(json.dumps(inspection_json(str(path), inspection, advice), indent=2))
    else:
        print(inspection_text(str(path), inspection, advice), end="")
    return CLEAN
