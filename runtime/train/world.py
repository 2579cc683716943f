"""The processes that train one model together: which sequences each takes, and how they come to one gradient.

Gradients are averaged explicitly, in plan order; no wrapper hooks `forward`, so that every way of computing a loss is
synchronised alike. Which sequences are in a batch does not depend on how many processes there are, so that results
differ by the order of floating-point additions alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import gcd

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .errors import PeerError, TrainingError
from .launched import orphaned

TIMEOUT = timedelta(minutes=30)
"""For all ranks to start, and for one gradient."""

PATIENCE = timedelta(days=1)
"""For the slowest thing that rank 0 does while the others wait: a download, a validation, a checkpoint. That a process
is gone shows at once: its connections close."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one rank takes of a micro-batch: `rows` of its sequences, or nothing where `sequences` is 0."""

    rows: slice
    sequences: int


class World:
    """One process alone; `Ranks` is several."""

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files, validates and prints."""
        return self.rank == 0

    def shares(self, sequences: int, accumulation: int) -> list[Share]:
        """This rank's share of each micro-batch of a step.

        With g = gcd(size, accumulation), size / g ranks share each micro-batch, and each rank has a part in
        accumulation / g of them.

        Raises:
            TrainingError: the sequences of a micro-batch do not divide among those ranks.
        """
        groups = gcd(self.size, accumulation)
        parts = self.size // groups
        if sequences % parts:
            raise TrainingError(
                f"{self.size} processes, {accumulation} micro-batches of {sequences} sequences a step: {parts} "
                "processes would share each micro-batch, which does not divide; use another --nproc, or change "
                "train.accumulation or train.batch_tokens"
            )
        each = sequences // parts
        part = self.rank // groups
        mine = Share(slice(part * each, (part + 1) * each), each)
        none = Share(slice(0, 1), 0)  # a loader reads one sequence at least
        return [mine if number % groups == self.rank % groups else none for number in range(accumulation)]

    def sum_gradients(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Sum every gradient over the ranks, in plan order."""

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a 0-dim tensor over the ranks."""
        return value

    def agree(self, seconds: float, *, stop: bool) -> tuple[float, bool]:
        """The clock of rank 0, and whether any rank is to stop: it was asked to, or its launcher is gone."""
        return seconds, stop

    def wait(self) -> None:
        """Until every rank is here."""

    def require_same(self, tensors: Iterable[Tensor], what: str) -> None:
        """Raise TrainingError where ranks hold different values."""


class Ranks(World):
    """Several processes, connected by `torch.distributed`: NCCL between GPUs, gloo between CPUs."""

    def __init__(self, device: torch.device) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()
        self._device = device
        # Small agreements go by gloo, so that no step waits for a GPU on their account.
        self._control = dist.new_group(backend="gloo", timeout=PATIENCE)

    def sum_gradients(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """See `World.sum_gradients`; one flat float32 vector, so that the order of additions is one."""
        gradients = [parameter.grad for parameter in parameters.values() if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
        with _reaching_peers():
            dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def sum(self, value: Tensor) -> Tensor:
        """See `World.sum`."""
        total = value.clone()
        with _reaching_peers():
            dist.all_reduce(total)
        return total

    def agree(self, seconds: float, *, stop: bool) -> tuple[float, bool]:
        """See `World.agree`."""
        told = torch.tensor([seconds if self.leads else -1.0, float(stop or orphaned())], dtype=torch.float64)
        with _reaching_peers():
            dist.all_reduce(told, dist.ReduceOp.MAX, group=self._control)
        return told[0].item(), bool(told[1].item())

    def wait(self) -> None:
        """See `World.wait`."""
        with _reaching_peers():
            dist.barrier(group=self._control)

    def require_same(self, tensors: Iterable[Tensor], what: str) -> None:
        """See `World.require_same`; compares sums of bits, exactly."""
        sums = torch.stack([_bits(tensor) for tensor in tensors]).cpu()
        least, most = sums.clone(), sums.clone()
        with _reaching_peers():
            dist.all_reduce(least, dist.ReduceOp.MIN, group=self._control)
            dist.all_reduce(most, dist.ReduceOp.MAX, group=self._control)
        if not torch.equal(least, most):
            raise TrainingError(f"the {self.size} processes hold different {what}; resume from the last checkpoint")


def _bits(tensor: Tensor) -> Tensor:
    """The sum of a tensor's bit patterns as integers, int64."""
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    return tensor.detach().contiguous().view(whole).long().sum()


@contextmanager
def _reaching_peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerError("another process of the run is gone; resume the run") from error


def launched_ranks() -> int:
    """How many processes the launcher (torchrun, or --nproc) started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join(device: torch.device) -> World:
    """The world that the launcher's environment describes.

    Raises:
        TrainingError: the other processes cannot be reached.
    """
    if launched_ranks() == 1:
        return World()
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        message = f"cannot join {launched_ranks()} processes ({' '.join(str(error).split())})"
        raise TrainingError(f"{message}; start them by --nproc or torchrun, all at once") from error
    return Ranks(device)


def leave(world: World) -> None:
    """Part in order: without the barrier gloo sometimes aborts at exit."""
    if world.size > 1:
        world.wait()
        dist.destroy_process_group()
