"""One process of a run: its device, its place among the processes, its console and the run folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ...compiler.plan import Plan
from ..data.token_source import TokenData
from ..train.run_folder import RunFolder
from ..train.world import World, join, launched_ranks, leave
from .console import Console
from .device import choose_device
from .run import Phases, train_phases
from .run_options import RunOptions
from .training import Trained, check_options


@dataclass(frozen=True, slots=True)
class Session:
    """What the commands `train` and `run` go by once training is over."""

    folder: RunFolder
    phases: Phases
    world: World
    data: TokenData
    trained: Trained


@contextmanager
def training_session(plan: Plan, path: Path, options: RunOptions) -> Iterator[Session]:
    """Trains in this process, together with the others that a launcher started.

    Only the first of them prints, and holds the folder.
    """
    with ExitStack() as stack:
        quiet = launched_ranks() > 1 and int(os.environ.get("RANK", "0")) != 0
        console = Console(stack.enter_context(Path(os.devnull).open("w", encoding="utf-8")) if quiet else None)
        check_options(plan, options)
        device = _device(plan, options, console)
        world = join(device)
        if world.size > 1:
            console.note(f"{world.size} processes")
        folder = RunFolder(path, resume=options.resume, event=console.note, leads=world.leads)
        stack.enter_context(folder)
        phases = Phases(console)
        data, trained = train_phases(plan, folder, options, phases, world, device)
        leave(world)  # now: what follows training is for the first alone, and may take hours
        yield Session(folder, phases, world, data, trained)


def _device(plan: Plan, options: RunOptions, console: Console) -> torch.device:
    device = choose_device(options.device, plan.spec, console.note)
    if device.type == "cuda" and launched_ranks() > 1:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return device
