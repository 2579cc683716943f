"""Seeds, threads and random states.

Guaranteed: with the same torch build, processor type, thread count, float32 and device cpu, a run gives the same bits
each time, and a killed and resumed run those of one that never stopped. Not guaranteed: equal bits between processors
with other instruction sets, between thread counts, or on CUDA, where some backward kernels add in no fixed order.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def configure(device: torch.device, cpu_threads: int | None) -> None:
    """Set the thread count (None leaves torch's default) and, on CPU, deterministic kernels."""
    if cpu_threads is not None:
        torch.set_num_threads(cpu_threads)
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
        # Filling fresh memory costs time and hides nothing here: no kernel that we call reads what it has not written.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """States of all generators, as tensors and plain values that load with `torch.load(weights_only=True)`."""
    version, internal, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(internal), gauss],
        "numpy": [torch.from_numpy(np.asarray(keys, dtype=np.int64)), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned; CUDA states only where as many devices are present."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
