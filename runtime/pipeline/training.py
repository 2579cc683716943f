"""The training phase: a run folder with spec, plan and source in it, then the trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn

from ...compiler.emit.compiled import compile_modes
from ...compiler.emit.loader import build_module
from ...compiler.emit.source import emit_source
from ...compiler.plan import Plan
from ...compiler.source.canonical import resolved_yaml
from ...compiler.summary import plan_text
from ..atomic_file import write_atomically
from ..data.batches import ContiguousBatches
from ..data.coprime_batches import CoprimeBatches
from ..data.shuffled_batches import ShuffledBatches
from ..data.token_source import TokenData
from ..data.window_batches import WindowBatches
from ..train.average import loaded_average
from ..train.batch_source import BatchSource
from ..train.checkpoint import Checkpoint, CheckpointFolder, spec_hash, written_spec_hash
from ..train.errors import CheckpointError, TrainingError
from ..train.job import RunResult, TrainingJob
from ..train.loop import Trainer
from ..train.progress import Progress
from ..train.run_folder import RunFolder
from ..train.states import states_of
from ..train.tensorboard import require_tensorboard
from ..train.world import World
from .console import Console
from .initial_weights import start_from
from .repeated_clock import clock_to_repeat, repeat_clock, resumed_clock
from .run_options import RunOptions
from .run_plan import read_run_plan
from .scoring import validation_loss


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's module, its last weights in it, and what the declared average made of them (None without one).

    Attributes:
        states: the module's after the last step, of which there is no average; whichever weights are packed, with them.
    """

    result: RunResult
    device: str
    module: nn.Module
    last: dict[str, Tensor]
    averaged: dict[str, Tensor] | None
    states: dict[str, Tensor]

    @property
    def weights(self) -> dict[str, Tensor]:
        """What is packed: the average where there is one, else the last weights."""
        return self.last if self.averaged is None else self.averaged


def write_plan_files(plan: Plan, folder: RunFolder) -> None:
    """spec.yaml (resolved), plan.txt and model.py."""
    write_atomically(folder.plan, [plan_text(plan).encode()])
    write_atomically(folder.model, [emit_source(plan).encode()])
    write_atomically(folder.spec, [resolved_yaml(plan.spec.plain).encode()])  # last: it marks the folder as a run


def check_options(plan: Plan, options: RunOptions) -> None:
    """What can be refused before data are read; see `load_checkpoint`, `clock_to_repeat`, `require_tensorboard`."""
    if options.warm_start is not None:
        load_checkpoint(read_run_plan(options.warm_start), options.warm_start)
    if options.clock_from is not None:
        clock_to_repeat(plan, options.clock_from)
    if options.tensorboard:
        require_tensorboard()


def train(
    plan: Plan,
    data: TokenData,
    folder: RunFolder,
    device: torch.device,
    world: World,
    options: RunOptions,
    note: Callable[[str], None],
) -> Trained:
    """Trains to the end or to a signal; see `Trainer` for what it raises.

    The folder becomes a run only here, once data and module are there: what fails before leaves it free for another.
    """
    clock = (
        resumed_clock(folder) if options.clock_from is None else repeat_clock(plan, folder, options.clock_from, world)
    )
    module = build_module(plan, plan.spec.train.seed).to(device)
    require_shareable_states(plan, world)
    require_boundary(plan, data)
    if options.warm_start is not None and not options.resume:
        start_from(plan, module, options.warm_start, options.merge, note)
    batches = training_batches(plan, data, world)
    progress = Progress() if world.leads else Progress(stream=StringIO())
    job = TrainingJob(
        plan=plan,
        module=module,
        batches=batches,
        folder=folder,
        device=device,
        validate=lambda model, step: validation_loss(plan, model, data, device),
        progress=progress,
        forward=compile_modes(module, plan, dynamic=False) if plan.spec.train.compile else None,
        world=world,
        seconds_of=clock,
        tensorboard=options.tensorboard,
    )
    trainer = Trainer(job, resume=options.resume)
    if options.warm_start is not None and not options.resume:
        trainer.save_start()
    if not options.resume and world.leads:
        write_plan_files(plan, folder)
    result = trainer.run()
    if isinstance(batches, WindowBatches) and batches.left_out:
        note(f"data: {batches.left_out:,} tokens were passed over where sequences became longer")
    last = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}
    # an average of nothing is nothing; a run stopped that early only leaves its checkpoint
    averaged = trainer.weights() if trainer.has_average else None
    return Trained(result, device.type, module, last, averaged, states_of(module))


def training_batches(plan: Plan, data: TokenData, world: World) -> BatchSource:
    """Training batches in the spec's order; every shape that training asks for can be taken from them.

    Raises:
        BatchError, TrainingError: a shape does not fit the data or the number of processes.
    """
    train, order = plan.spec.train, plan.spec.data.order
    batches: ContiguousBatches | ShuffledBatches | CoprimeBatches
    if order == "contiguous":
        batches = ContiguousBatches(data.train)
    else:
        kind = ShuffledBatches if order == "shuffled" else CoprimeBatches
        batches = kind(data.train, train.longest_sequence, train.seed)
    for shape in train.shapes:
        batches.check(shape.sequences, shape.sequence_length)
        world.shares(shape.sequences, shape.accumulation)
    return batches


def require_boundary(plan: Plan, data: TokenData) -> None:
    """Raises TrainingError where the documents of the data do not begin as the model expects."""
    documents, opening = plan.spec.architecture.model.documents, data.bos_id
    if documents is not None and documents.boundary_token != opening:
        found = "no token" if opening is None else f"token {opening}"
        raise TrainingError(
            f"model.documents.boundary_token is {documents.boundary_token}, but in these data {found} opens a "
            f"document; {'use another tokenizer' if opening is None else f'set it to {opening}'}, or remove "
            "model.documents"
        )


def require_shareable_states(plan: Plan, world: World) -> None:
    """Raises TrainingError where several processes would each keep a state of their own."""
    if world.size > 1 and plan.states:
        raise TrainingError(
            f"{world.size} processes: the model keeps {plan.states[0].name} from batch to batch, which they would not "
            "share; use --nproc 1"
        )


def load_checkpoint(plan: Plan, folder: Path) -> Checkpoint:
    """The latest checkpoint of a run, on the CPU.

    Raises:
        CheckpointError: there is none, or it cannot be used.
    """
    checkpoints = CheckpointFolder(folder / "checkpoints", plan.spec.train.keep_checkpoints)
    path = checkpoints.latest(Console().note)
    if path is None:
        raise CheckpointError(f"{checkpoints.folder} has no checkpoint; train first, or resume the run")
    written = written_spec_hash(folder / "spec.yaml", plan)
    return checkpoints.load(path, spec_hash(plan), torch.device("cpu"), written=written)


def checkpoint_weights(plan: Plan, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What is scored and packed: the average that the spec loads, else the last weights.

    Raises:
        CheckpointError: the average has taken in nothing yet.
    """
    trained = {store.name: checkpoint.model[store.name] for store in plan.stores if store.trainable}
    average = loaded_average(plan, trained)
    if average is None:
        return checkpoint.model
    assert checkpoint.average is not None
    average.load_state_dict(checkpoint.average)
    if not average.updates:
        load = plan.spec.train.load
        raise CheckpointError(
            f"after step {checkpoint.step} the average {load}, which train.load names, has taken in no weights yet; "
            "resume the run"
        )
    averaged = average.weights()
    return {name: averaged.get(name, weight).to(weight.dtype) for name, weight in checkpoint.model.items()}
