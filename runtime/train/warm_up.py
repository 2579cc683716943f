"""Steps before training that compile every graph and settle the machine, and that leave no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ...compiler.graphs import compiled_graphs
from ...compiler.spec.batches import BatchShape
from .checkpoint import Checkpoint
from .job import TrainingJob
from .order import MAIN, StepOrder
from .step import Loss, Stepper


def warm_up(
    job: TrainingJob,
    stepper: Stepper,
    loss: Loss,
    snapshot: Callable[[], Checkpoint],
    restore: Callable[[Checkpoint], None],
) -> None:
    """`train.warm_up_steps` steps of every training graph; afterwards all is as it was, to the bit.

    The learning rate is 0, so that no recipe that needs its warm-up runs away here. Rounded weights make another graph
    of a mode, which is compiled here too rather than in the middle of training.
    """
    train = job.plan.spec.train
    before = _copied(snapshot())
    orders = _orders(job)
    for mode, shape, rounded in orders:
        for step in range(train.warm_up_steps):
            stepper.run(step, StepOrder(MAIN, mode, shape, 0.0, 0.0, 0, rounded), loss)
    restore(before)
    stepper.optimizers.zero_grad()
    steps = train.warm_up_steps * len(orders)
    job.progress.note(f"warm-up: {steps} steps, {train.warm_up_steps} of each of {len(orders)} graphs, rolled back")


def _orders(job: TrainingJob) -> list[tuple[str, BatchShape, bool]]:
    train = job.plan.spec.train
    modes = {graph.mode for graph in compiled_graphs(job.plan) if graph.entry == "training"}
    roundings = (False,) if train.quantization_aware is None else (False, True)
    return [
        (mode, shape, rounded)
        for mode in job.plan.modes
        if mode in modes
        for shape in train.shapes
        for rounded in roundings
    ]


def _copied(checkpoint: Checkpoint) -> Checkpoint:
    """The same values in memory of their own."""
    model: dict[str, Tensor] = {name: weight.clone() for name, weight in checkpoint.model.items()}
    return replace(
        checkpoint,
        model=model,
        optimizers=copy.deepcopy(checkpoint.optimizers),
        average=copy.deepcopy(checkpoint.average),
        itinerary=copy.deepcopy(checkpoint.itinerary),
    )
