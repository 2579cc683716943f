"""The graphs that a compiler of tensor programs sees: one for each mode, entry and shape that a run uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .plan import Plan
from .spec.phase_steps import trained_modes


@dataclass(frozen=True, slots=True)
class CompiledGraph:
    """A forward pass that is compiled once.

    Attributes:
        entry: `training`: the loss of a training step, and its backward pass; `logits`: a forward pass in evaluation.
        shape: (sequences, tokens) of a batch. The last batch of an evaluation may have fewer sequences.
    """

    mode: str
    entry: Literal["training", "logits"]
    shape: tuple[int, int]


def compiled_graphs(plan: Plan) -> tuple[CompiledGraph, ...]:
    """Every graph of a run that trains and evaluates, without those that depend on the data as they run."""
    train, evaluate = plan.spec.train, plan.spec.evaluate
    trained = trained_modes(plan.spec)
    batches = [(shape.sequences, shape.sequence_length) for shape in train.shapes]
    windows = (evaluate.batch_windows, evaluate.sequence_length)
    graphs = [
        CompiledGraph(mode, "training", batch)
        for mode in plan.modes
        if mode in trained and not stops_by_data(plan, mode)
        for batch in dict.fromkeys(batches)
    ]
    evaluated = plan.spec.activities["evaluate"]
    if not stops_by_data(plan, evaluated):
        graphs.append(CompiledGraph(evaluated, "logits", windows))
    return tuple(graphs)


def stops_by_data(plan: Plan, mode: str) -> bool:
    """Whether the mode ends early where its extra cycles change little."""
    return any(plan.graph.site(site).operation == "relative_change" for site in plan.modes[mode].sites)
