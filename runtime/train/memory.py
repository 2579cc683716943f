"""Peak memory of a run, and what to do when it is not enough."""

from __future__ import annotations

import resource
import sys

import torch

from .errors import TrainingError

_CPU_FAILURE = "can't allocate memory"


def peak_bytes(device: torch.device) -> int:
    """The most memory held so far: tensors on the GPU, or the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def out_of_memory(error: RuntimeError, device: torch.device) -> TrainingError | None:
    """What to tell when an allocation failed; None for any other error."""
    if not isinstance(error, torch.OutOfMemoryError) and _CPU_FAILURE not in str(error):
        return None
    return TrainingError(
        f"out of memory on {device.type}: the peak was {peak_bytes(device) / 2**20:,.0f} MiB; raise "
        "train.accumulation (more, smaller micro-batches), or shorten "
        "train.sequence_length; `loopspec plan` tells what a micro-batch takes"
    )
