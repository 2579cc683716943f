"""One mode of one system on a device: time of a micro-batch and of an update, and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from timing import Samples, Spread, interleave, seconds_of
from torch.profiler import profile
from workload import Forward, MicroBatch, Workload

ATTENTION_NAMES = ("_scaled_dot_product_", "flash_attn")


@dataclass(frozen=True, slots=True)
class Case:
    """What was measured; bytes are of the device, and None where it cannot tell.

    Attributes:
        backend: of torch.compile; None: eager.
        sequences: of a micro-batch that fits; the spec may ask for more.
        micro_batches: how many of them a step of the spec is on this device alone.
        first_seconds: of the first call, in which a compiled mode is compiled; None: eager.
        resident_bytes: weights, gradients, optimizer states and tokens.
        peak_bytes: at most allocated in forward and backward.
        flops_per_token: forward and backward, by the plan.
        attention: the operation that computes it.
        peak_flops: the device's, FLOP/s; None where it is not known.
    """

    system: str
    mode: str
    backend: str | None
    sequences: int
    sequence_length: int
    micro_batches: int
    parameters: int
    first_seconds: float | None
    micro_batch_samples: Samples
    update_samples: Samples
    resident_bytes: int | None
    peak_bytes: int | None
    predicted_activation_bytes: int
    flops_per_token: int
    attention: str = ""
    peak_flops: float | None = None

    @property
    def kind(self) -> str:
        """`eager`, or what compiled it."""
        return "eager" if self.backend is None else f"compiled, {self.backend}"

    @property
    def micro_batch_seconds(self) -> float:
        """Forward and backward, median."""
        return Spread.of(self.micro_batch_samples).median

    @property
    def update_seconds(self) -> float:
        """Clip and optimizers, median."""
        return Spread.of(self.update_samples).median

    @property
    def step_seconds(self) -> float:
        """All the micro-batches of a step and its update."""
        return self.micro_batches * self.micro_batch_seconds + self.update_seconds

    @property
    def tokens_per_second(self) -> float:
        """Of whole steps."""
        return self.micro_batches * self.sequences * self.sequence_length / self.step_seconds

    @property
    def utilisation(self) -> float | None:
        """FLOPs a second of whole steps over the device's peak."""
        return None if self.peak_flops is None else self.tokens_per_second * self.flops_per_token / self.peak_flops

    @property
    def activation_bytes(self) -> int | None:
        """What forward and backward took above what was there."""
        if self.peak_bytes is None or self.resident_bytes is None:
            return None
        return self.peak_bytes - self.resident_bytes

    def plain(self) -> dict[str, Any]:
        """For JSON: what was measured and what follows from it."""
        update, micro = self.update_seconds, self.micro_batch_seconds
        return asdict(self) | {
            "micro_batch_seconds": micro,
            "update_seconds": update,
            "step_seconds": self.step_seconds,
            "tokens_per_second": self.tokens_per_second,
            "utilisation": self.utilisation,
            "activation_bytes": self.activation_bytes,
            "optimizer_share": update / self.step_seconds,
            "optimizer_share_of_one_micro_batch": update / (micro + update),
        }


def measure(workload: Workload, mode: str, backend: str | None, sequences: int, repeats: int) -> Case:
    """`sequences` a micro-batch, or as many as fit.

    Raises:
        torch.OutOfMemoryError: not even one fits.
    """
    plan, shape = workload.plan, workload.plan.spec.train.shapes[-1]
    forward: Forward = workload.module if backend is None else workload.compiled(backend)
    batch, first = _fitting(workload, mode, forward, sequences)
    resident, highest = _memory(workload, partial(workload.pass_over, batch, mode, forward))
    pair = {
        "micro": partial(seconds_of, partial(workload.pass_over, batch, mode, forward)),
        "update": partial(seconds_of, workload.update),
    }
    seconds = interleave(pair, repeats)
    cost = plan.modes[mode].cost
    return Case(
        system=plan.spec.name,
        mode=mode,
        backend=backend,
        sequences=batch.tokens.size(0),
        sequence_length=shape.sequence_length,
        micro_batches=-(-shape.batch_tokens // batch.token_count),
        parameters=plan.parameters,
        first_seconds=None if backend is None else first,
        micro_batch_samples=seconds["micro"],
        update_samples=seconds["update"],
        resident_bytes=resident,
        peak_bytes=highest,
        predicted_activation_bytes=cost.activation_bytes_per_token * batch.token_count,
        flops_per_token=cost.forward_flops_per_token + cost.backward_flops_per_token,
    )


def attention_operation(workload: Workload, mode: str, length: int) -> str:
    """The attention operation that a forward and backward pass really runs, by PyTorch's name for it."""
    batch = MicroBatch.random(workload.plan, 1, length, workload.device)
    with profile() as profiled:
        workload.step(batch, mode)
    names = [event.key for event in profiled.key_averages()]
    found = {name for name in names if any(part in name for part in ATTENTION_NAMES) and "backward" not in name.lower()}
    return ", ".join(sorted(found)) or "products and softmax of its own"


def _fitting(workload: Workload, mode: str, forward: Forward, sequences: int) -> tuple[MicroBatch, float]:
    """The largest micro-batch that fits, of `sequences` or half of them and so on, and the time of its first pass."""
    length = workload.plan.spec.train.shapes[-1].sequence_length
    while True:
        batch = MicroBatch.random(workload.plan, sequences, length, workload.device)
        workload.optimizers.zero_grad()
        try:
            first = seconds_of(partial(workload.pass_over, batch, mode, forward))
        except torch.OutOfMemoryError:
            if sequences == 1:
                raise
        else:
            return batch, first
        print(f"  {mode}: {sequences} sequences do not fit; trying {sequences // 2}", flush=True)
        sequences //= 2
        torch.cuda.empty_cache()


def _memory(workload: Workload, pass_over: Callable[[], None]) -> tuple[int | None, int | None]:
    """Bytes allocated before a pass whose gradients are there already, and at most within it."""
    if workload.device.type != "cuda":
        return None, None
    workload.update()  # makes the optimizers' states, if this is the first
    torch.cuda.reset_peak_memory_stats(workload.device)
    resident = torch.cuda.memory_allocated(workload.device)
    pass_over()
    return resident, torch.cuda.max_memory_allocated(workload.device)
