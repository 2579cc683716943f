"""Modes for a reader: depth and cost of each, the graphs that are compiled, where placed features act."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from .graphs import compiled_graphs, stops_by_data
from .plan import Plan
from .spec.stage import Stage
from .tables import table

_WIDTH = 80
_EVERYWHERE = "every position"


def mode_lines(plan: Plan) -> list[str]:
    """A row for each mode."""
    train = plan.spec.train
    tokens = max(shape.sequences * shape.sequence_length for shape in train.shapes)
    rows = [
        (
            mode.name,
            len(mode.positions),
            mode.depth,
            f"{mode.cost.forward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.backward_flops_per_token / 1e6:,.1f} M",
            f"{mode.cost.activation_bytes_per_token / 1024:,.0f} KiB",
            f"{mode.cost.activation_bytes_per_token * tokens / 2**20:,.0f} MiB",
        )
        for mode in plan.modes.values()
    ]
    header = ("mode", "positions", "depth", "forward", "backward", "activations", "micro-batch")
    return [
        "modes",
        *table(header, rows),
        "  depth: block executions on the longest way; parallel firings do not add to it",
        f"  forward, backward: FLOPs a token, in sequences of {train.sequence_length:,} tokens",
        "  activations: bytes a token that the backward pass needs, in float32;",
        f"  micro-batch: the same for {tokens:,} tokens",
        *_training_only(plan),
    ]


def _training_only(plan: Plan) -> list[str]:
    modes = [mode.name for mode in plan.modes.values() if mode.training_sites]
    which = "" if len(modes) == len(plan.modes) else f" in mode {', '.join(modes)}"
    text = f"training has further losses{which}; backward counts them"
    return wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ") if modes else []


def stage_lines(plan: Plan) -> list[str]:
    """A line for each stage: what it runs, how its loops follow each other, and where it lies."""
    lines = []
    for stage in plan.spec.architecture.stages:
        plural = "" if len(stage.path) == 1 else "s"
        text = f"{stage.name}: {len(stage.path)} position{plural} of blocks {stage.blocks}"
        if stage.loops > 1:
            text += f", {stage.loops} loops {_firing(stage)}"
        text += "" if stage.inside is None else f", between the halves of {stage.inside}"
        if stage.skips is not None:
            text += f", {'gated ' if stage.skips.gated else ''}skips over each {stage.skips.scope}"
        lines += wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return ["stages", *lines]


def _firing(stage: Stage) -> str:
    combine = stage.firing.combine
    return "one after the other" if combine is None else f"in parallel, combined by {combine.kind}"


def graph_lines(plan: Plan) -> list[str]:
    """The graphs of a run, by mode, entry and shape, and the modes that have none for they stop by the data."""
    rows = [(graph.mode, graph.entry, f"{graph.shape[0]} x {graph.shape[1]}") for graph in compiled_graphs(plan)]
    lines = ["graphs (what torch.compile would make, one each)", *table(("mode", "entry", "sequences x tokens"), rows)]
    stopping = [mode for mode in plan.modes if stops_by_data(plan, mode)]
    return lines + ([f"  not compiled, stops by the data: {', '.join(stopping)}"] if stopping else [])


def feature_lines(plan: Plan) -> list[str]:
    """For each feature the positions where it acts, by number."""
    features: dict[str, list[int]] = {}
    for position in plan.positions:
        for name in position.features:
            features.setdefault(name, []).append(position.index)
    lines = []
    for name, positions in features.items():
        where = _EVERYWHERE if len(positions) == len(plan.positions) else _ranges(positions)
        lines += wrap(f"{name}: {where}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return ["features, and the positions where each acts", *(lines or ["  none"])]


def _ranges(numbers: Iterable[int]) -> str:
    """`0, 2 to 5, 9`: runs of three or more as first and last."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = (f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return ", ".join(parts)
