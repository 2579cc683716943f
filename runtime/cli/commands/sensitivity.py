"""`loopspec sensitivity`: what rounding each row of each store would cost."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CLEAN
from ..help import describe
from ..window_arguments import add_window_arguments, check_window_arguments

if TYPE_CHECKING:
    from ...analyse.sensitivity import Sensitivity
    from ...analyse.trained_model import TrainedModel
    from ...analyse.windows import Windows
    from ...pipeline.console import Console

NAME = "sensitivity"
SUMMARY = "what rounding each row of each store would cost"
BATCHES, SEQUENCES = 16, 1

_DESCRIPTION = """\
Takes the gradients of a trained model on some of its training tokens (never on
validation), on the CPU in float32, and says how sharply the loss reacts to
each row of each store of the artifact. With G the gradient of a batch's mean
loss and n the tokens of a batch, for each row:

  gradient  mean over batches of |G|
  Fisher    n * mean over batches of |G|^2: empirical Fisher trace a token
  loss      1/2 * n * mean over batches of the sum of (G * e)^2, with e the
            rounding errors of the spec's own scheme, in nats a token

Noise of a step s costs about Fisher * s^2 / 24. The text has a line for each
store; JSON, and the file of -o, have every row and the hash of the spec.
Equal calls give equal figures."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec sensitivity runs/quickstart-001",
        "loopspec sensitivity runs/quickstart-001 --batches 64 -o rows.npz",
    )
    parser.add_argument("source", metavar="RUN", type=Path, help="a run folder (or a packed artifact)")
    add_window_arguments(parser, BATCHES, SEQUENCES)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    about = "also write the record, as .json or .npz; replaces the file"
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help=about)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    check_window_arguments(arguments)
    from ...analyse.sensitivity_record import check_suffix, sensitivity_json, write_sensitivity
    from ...analyse.sensitivity_text import sensitivity_text
    from ...analyse.trained_model import open_trained
    from ...analyse.windows import open_windows
    from ...pipeline.console import Console
    from ..failures import reported

    console = Console()
    with reported():
        if arguments.output is not None:
            check_suffix(arguments.output)
        model = open_trained(arguments.source)
        windows = open_windows(arguments, model, console.note)
        found = _measure(model, windows, console)
        if arguments.output is not None:
            write_sensitivity(arguments.output, found)
            console.note(f"wrote {arguments.output}")
    if arguments.format == "json":
        print(json.dumps(sensitivity_json(found), indent=1))
    else:
        print(sensitivity_text(found, windows.description), end="")
    return CLEAN


def _measure(model: TrainedModel, windows: Windows, console: Console) -> Sensitivity:
    from ...analyse.sensitivity import Sensitivity, measure_sensitivity, weights_sha256
    from ...train.checkpoint import spec_hash

    about = {
        "spec": model.plan.spec.name,
        "spec_sha256": spec_hash(model.plan),
        "weights_sha256": weights_sha256(model.plan, model.module),
        "source": str(model.source),
        "weights": model.weights,
        **windows.record,
    }
    show = console.counter("batches")
    stores = measure_sensitivity(model.plan, model.module, windows, lambda count: show(count, windows.count))
    return Sensitivity(about, stores)
