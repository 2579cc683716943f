"""`loopspec influence`: how much each position changes the stream, and which blocks to tie for least."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CLEAN, FAILURE, UserError
from ..help import describe
from ..window_arguments import add_window_arguments, check_window_arguments, require

if TYPE_CHECKING:
    from ...analyse.influence import Influence
    from ...analyse.ties_plan import Proposals
    from ...analyse.trained_model import TrainedModel
    from ...analyse.windows import Windows

NAME = "influence"
SUMMARY = "how much each position turns the stream; blocks to tie"
BATCHES, SEQUENCES = 8, 2  # as `run_influence`, which torch comes with

_DESCRIPTION = """\
Runs a trained model on some of its training tokens (never on validation), on
the CPU in float32, and prints for each position of a mode how far the stream
that leaves it points away from the one that enters it: BI, 1 - mean cosine
(ShortGPT), and the angle, mean arccos(cosine) / pi; each with its standard
deviation over batches. What enters is the block's input after skips and loop
vectors. The sequences are drawn by a seed, so equal calls give equal figures.

With --propose it also ranks sets of blocks that could become one, and plans
the spec with each to say what it saves. The criterion: a block's influence is
the mean BI of its positions in the mode; a set's is the mean over its blocks;
least first. Blocks can share within a group where all their settings agree
(exclusive self-attention aside, which is then placed on positions). -o writes
one of them as a child of the run's spec, without the weights: train it, or
start it warm from the run."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec influence runs/quickstart-001",
        "loopspec influence runs/flat/artifact.loopspec --batches 32 --plot flat.svg",
        "loopspec influence runs/flat --propose 5 --size 3 --contiguous",
        "loopspec influence runs/flat --propose 5 --choose 2 -o tied.yaml",
    )
    parser.add_argument("source", metavar="RUN|ARTIFACT", type=Path, help="a run folder or a packed artifact")
    add_window_arguments(parser, BATCHES, SEQUENCES)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--plot", metavar="FILE.svg", type=Path, help="also draw the figures; replaces the file")
    ties = parser.add_argument_group("ties")
    ties.add_argument("--propose", metavar="N", type=int, help="rank this many sets of blocks to tie")
    ties.add_argument("--size", metavar="K", type=int, default=2, help="sets of at least K blocks (default: 2)")
    about = "only sets that always run one after the other"
    ties.add_argument("--contiguous", action="store_true", help=about)
    about = "write a proposal as a new spec; never overwrites"
    ties.add_argument("-o", "--output", metavar="FILE", type=Path, help=about)
    ties.add_argument("--choose", metavar="K", type=int, default=1, help="the one to write (default: 1, the first)")
    about = "what it extends (default: the run's spec, or the shipped one of an artifact)"
    ties.add_argument("--extends", metavar="FILE", type=Path, help=about)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _check(arguments)
    from ...analyse.influence_text import influence_text
    from ...analyse.trained_model import open_trained
    from ..failures import reported

    with reported():
        model = open_trained(arguments.source)
        influence, windows = _measure(arguments, model)
        found = _propose(arguments, influence)
        if arguments.plot is not None:
            _plot(arguments.plot, influence)
    if arguments.format == "json":
        print(json.dumps(_record(model, influence, windows, found), indent=2))
    else:
        print(influence_text(influence, f"{model.source}: {model.weights}", windows.description), end="")
        _print_proposals(found, arguments.propose)
    if arguments.output is not None:
        with reported():
            _write(arguments, model, found)
    return CLEAN


def _check(arguments: argparse.Namespace) -> None:
    check_window_arguments(arguments)
    require("propose", arguments.propose, 1)
    require("size", arguments.size, 2)
    if arguments.propose is None and (arguments.output is not None or arguments.contiguous):
        raise UserError("-o and --contiguous are about proposals; give --propose N too", FAILURE)
    if arguments.propose is not None and not 1 <= arguments.choose <= arguments.propose:
        raise UserError(f"--choose must be from 1 to {arguments.propose}, not {arguments.choose}", FAILURE)
    if arguments.output is not None and arguments.output.exists():
        raise UserError(f"{arguments.output} exists already; name another file, or remove it")


def _measure(arguments: argparse.Namespace, model: TrainedModel) -> tuple[Influence, Windows]:
    from ...analyse.influence import measure_influence
    from ...analyse.windows import open_windows
    from ...pipeline.console import Console

    console = Console()
    windows = open_windows(arguments, model, console.note)
    show = console.counter("batches")
    batches = windows.batches()
    measured = measure_influence(
        model.plan, model.module, windows.mode, batches, lambda count: show(count, arguments.batches)
    )
    return measured, windows


def _propose(arguments: argparse.Namespace, influence: Influence) -> Proposals | None:
    if arguments.propose is None:
        return None
    from ...analyse.ties import tie_candidates
    from ...analyse.ties_plan import propose

    means = {row.position.index: row.influence.mean for row in influence.positions if row.influence is not None}
    candidates = tie_candidates(influence.plan, means, arguments.size, contiguous=arguments.contiguous)
    return propose(influence.plan, candidates, arguments.propose)


def _plot(path: Path, influence: Influence) -> None:
    from ...analyse.errors import AnalysisError
    from ...analyse.influence_plot import influence_svg
    from ...atomic_file import write_atomically

    try:
        write_atomically(path, [influence_svg(influence).encode()])
    except OSError as error:
        raise AnalysisError(f"{path} cannot be written ({error.strerror}); name another file with --plot") from error


def _record(model: TrainedModel, influence: Influence, windows: Windows, found: Proposals | None) -> dict[str, object]:
    from ...analyse.influence_json import influence_json
    from ...analyse.ties_text import proposals_json

    record = {"source": str(model.source), "weights": model.weights, **windows.record, **influence_json(influence)}
    return record | ({} if found is None else {"ties": proposals_json(found)})


def _print_proposals(found: Proposals | None, wanted: int) -> None:
    if found is not None:
        from ...analyse.ties_text import proposals_text

        print("\n" + proposals_text(found, wanted), end="")


def _write(arguments: argparse.Namespace, model: TrainedModel, found: Proposals | None) -> None:
    from ...analyse.ties_file import parent_of, write_tied_spec

    assert found is not None
    if len(found.proposals) < arguments.choose:
        raise UserError(f"there is no proposal {arguments.choose}, only {len(found.proposals)}; nothing was written")
    parent = arguments.extends or parent_of(model.source, model.plan)
    write_tied_spec(model.plan, found.proposals[arguments.choose - 1], parent, arguments.output)
    from ..console import note

    note(f"wrote {arguments.output}; next: loopspec validate {arguments.output}")
