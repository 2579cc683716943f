"""`loopspec probe`: a few small steps that show what learns and what acts."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ..errors import CLEAN, FAILURE, PROBLEMS, UserError
from ..help import describe
from ..spec_argument import add_sets, add_spec, usable_plan

if TYPE_CHECKING:
    from ....compiler.plan import Plan
    from ...analyse.records import Settings

NAME = "probe"
SUMMARY = "what learns and what acts, in a few small steps"
STEPS, SEQUENCE_LENGTH, BATCH = 2, 64, 2

_DESCRIPTION = """\
Builds the model of a spec and takes a few optimizer steps of each mode that
training runs, on short sequences, on the CPU in float32. Reports

  modes     depth, sites, and the loss at the first and the last step
  stores    norms of gradient and update, or that no gradient arrives
  shared    cosines between the gradients of a shared store's sites
  features  how much the output changes when a feature is taken away,
            at the start and after the steps

An error is a store that no gradient reaches or that its update leaves where it
is, and a feature whose removal changes nothing at all. A few further steps of
each mode are taken while a store waits for its first gradient.

Exit code 0: no errors (those that the spec expects pass); 1: errors."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec probe quickstart",
        "loopspec probe my.yaml --set graph.0.loops=3 --format json",
        "loopspec probe quickstart --data spec --steps 20 --sequence-length 128",
    )
    add_spec(parser)
    parser.add_argument("--steps", metavar="N", type=int, default=STEPS, help=f"of each mode (default: {STEPS})")
    about = f"tokens of a sequence (default: {SEQUENCE_LENGTH})"
    parser.add_argument("--sequence-length", metavar="N", type=int, default=SEQUENCE_LENGTH, help=about)
    parser.add_argument("--batch", metavar="N", type=int, default=BATCH, help=f"sequences (default: {BATCH})")
    about = "of the weights and of random tokens (default: the spec's)"
    parser.add_argument("--seed", metavar="N", type=int, help=about)
    about = "random tokens, or the spec's training data (default: random)"
    parser.add_argument("--data", choices=("random", "spec"), default="random", help=about)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    add_sets(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    for name in ("steps", "sequence_length", "batch"):
        _require(name, getattr(arguments, name), 1)
    if arguments.seed is not None:
        _require("seed", arguments.seed, 0)
    plan = usable_plan(arguments.spec, arguments.set)
    from ...analyse.probe import probe
    from ...analyse.probe_json import probe_json
    from ...analyse.probe_text import probe_text
    from ...pipeline.console import Console
    from ...pipeline.device import choose_device
    from ..failures import reported

    console = Console()
    settings = _settings(arguments, plan)
    with reported():
        choose_device("cpu", plan.spec, console.note, "float32")
        found = probe(plan, settings, console.note)
    if arguments.format == "json":
        print(json.dumps(probe_json(found), indent=2))
    else:
        print(probe_text(found), end="")
    return CLEAN if found.ok else PROBLEMS


def _require(name: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"--{name.replace('_', '-')} must be at least {least}, not {value}", FAILURE)


def _settings(arguments: argparse.Namespace, plan: Plan) -> Settings:
    from ...analyse.probe import shortest_sequence
    from ...analyse.records import Settings

    _require("sequence_length", arguments.sequence_length, shortest_sequence(plan))
    return Settings(
        steps=arguments.steps,
        sequence_length=arguments.sequence_length,
        batch=arguments.batch,
        seed=plan.spec.train.seed if arguments.seed is None else arguments.seed,
        data=arguments.data,
    )
