"""Block influence: how much each position of a mode turns the stream that passes it.

Two published definitions, over the tokens of a batch, with x the stream (B, T, D) that enters a position and y the one
that leaves it: BI = 1 - mean cos(x, y) (ShortGPT, arXiv 2403.03853), and the angular distance mean arccos(cos(x, y)) /
pi (arXiv 2403.17887, there for a sequence's last token, here for all). Both are 0 where nothing turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import pi
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor, nn

from ...compiler.emit.interpret import Interpretation, Values, interpret
from ...compiler.graph.model import Port
from ...compiler.graph.modes import FULL
from ...compiler.plan import Plan, Position
from .batches import Batch
from .errors import AnalysisError
from .gradients import states_of
from .influence_streams import Ends, stream_ends
from .trained_model import open_trained, training_data
from .windows import token_windows

BATCHES, SEQUENCES = 8, 2
"""What is run unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of one position: its mean over batches, and their standard deviation (None of a single batch)."""

    mean: float
    deviation: float | None


@dataclass(frozen=True, slots=True)
class PositionInfluence:
    """A position's influence; both figures are None where it ran in no batch.

    Attributes:
        batches: in how many it ran; less than all where extra cycles stop early.
        undirected: tokens left out, whose stream is zero before or after the position and so has no direction.
    """

    position: Position
    influence: Measured | None
    angle: Measured | None
    batches: int
    undirected: int


@dataclass(frozen=True, slots=True)
class Influence:
    """Every position that a mode runs, in the plan's order, and how many batches were run."""

    plan: Plan
    mode: str
    batches: int
    positions: tuple[PositionInfluence, ...]


def measure_influence(
    plan: Plan, module: nn.Module, mode: str, batches: Iterable[Batch], done: Callable[[int], None] = lambda count: None
) -> Influence:
    """Runs the batches in evaluation, one after the other; `done` is told how many have run.

    Every stream is the interpreter's, whose values are those of the emitted module.

    Raises:
        AnalysisError: a stream is not finite.
    """
    weights = {name: value.detach() for name, value in module.named_parameters()}
    ends = stream_ends(plan, mode)
    found: dict[int, list[_Turn]] = {index: [] for index in ends}
    count = 0
    for tokens, targets in batches:
        with torch.no_grad():
            run = interpret(plan, mode, weights, tokens, targets, states=states_of(plan, module))
        for index, turn in _turns(run, ends):
            found[index].append(turn)
        count += 1
        done(count)
    positions = {position.index: position for position in plan.positions}
    rows = tuple(_summary(positions[index], turns) for index, turns in found.items())
    return Influence(plan, mode, count, rows)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One batch at one position; None where no token has a direction."""

    influence: float | None
    angle: float | None
    undirected: int


def _turns(run: Interpretation, ends: dict[int, Ends]) -> list[tuple[int, _Turn]]:
    """The positions that ran; one that does nothing turns nothing."""
    turns = []
    for index, end in ends.items():
        if not end.entering:
            turns.append((index, _Turn(0.0, 0.0, 0)))
        elif all(port in run.values for port in (*end.entering, *end.leaving)):
            turns.append((index, _turn(_stream(run.values, end.entering), _stream(run.values, end.leaving), index)))
    return turns


def _stream(values: Values, ports: Sequence[Port]) -> Tensor:
    """(tokens, D), in float64."""
    stream = torch.stack([values[port].double() for port in ports]).mean(0)
    return stream.flatten(0, -2)


def _turn(entering: Tensor, leaving: Tensor, index: int) -> _Turn:
    """Between unit vectors u, v: 1 - cos = |u - v|^2 / 2 and angle = 2 atan2(|u - v|, |u + v|), exact also near 0."""
    lengths = [torch.linalg.vector_norm(stream, dim=-1) for stream in (entering, leaving)]
    if not all(bool(torch.isfinite(length).all()) for length in lengths):
        raise AnalysisError(f"the stream at position {index} is not finite; the weights cannot be used, train again")
    directed = (lengths[0] > 0) & (lengths[1] > 0)
    before, after = (
        stream[directed] / length[directed, None] for stream, length in zip((entering, leaving), lengths, strict=True)
    )
    undirected = int((~directed).sum())
    if not len(before):
        return _Turn(None, None, undirected)
    apart, together = (torch.linalg.vector_norm(both, dim=-1) for both in (before - after, before + after))
    angles = 2 * torch.atan2(apart, together) / pi
    return _Turn(float(apart.square().mean() / 2), float(angles.mean()), undirected)


def _summary(position: Position, turns: Sequence[_Turn]) -> PositionInfluence:
    influences = [turn.influence for turn in turns if turn.influence is not None]
    angles = [turn.angle for turn in turns if turn.angle is not None]
    undirected = sum(turn.undirected for turn in turns)
    return PositionInfluence(position, _measured(influences), _measured(angles), len(turns), undirected)


def _measured(values: Sequence[float]) -> Measured | None:
    if not values:
        return None
    return Measured(mean(values), stdev(values) if len(values) > 1 else None)


def run_influence(run: Path, note: Callable[[str], None]) -> list[float]:
    """BI of every position of mode full in a run or an artifact, as `influence` measures it without further words.

    Raises:
        AnalysisError: a position has none.
        RunFolderError, CheckpointError, ArtifactError, DataError: as `open_trained` and `training_data`.
    """
    model = open_trained(run)
    data, train = training_data(model, note), model.plan.spec.train
    windows = token_windows(data.train, BATCHES, SEQUENCES, train.sequence_length, train.seed)
    return influence_values(measure_influence(model.plan, model.module, FULL, windows))


def influence_values(influence: Influence) -> list[float]:
    """BI of every position of the mode, in order: what merges of a warm start are weighed by, from mode full.

    Raises:
        AnalysisError: a position has none.
    """
    missing = [row.position.index for row in influence.positions if row.influence is None]
    if missing:
        raise AnalysisError(
            f"position {missing[0]} has no influence in mode {influence.mode}: it never ran with a stream"
        )
    return [row.influence.mean for row in influence.positions if row.influence is not None]
