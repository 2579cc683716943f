"""Where a run computes, and with which attention kernel."""

from __future__ import annotations

import torch

from ...compiler.modules.attention_kernel import best_kernel, use_kernel
from ...compiler.spec import Spec
from ..train.determinism import configure
from .prepare import Note


class DeviceError(ValueError):
    """A device that was asked for and is not there."""


def choose_device(name: str, spec: Spec, note: Note, precision: str | None = None) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`, with its attention kernel selected and named in a note.

    Raises:
        DeviceError: `cuda` without a GPU that torch can use.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "--device cuda: torch finds no CUDA device; use --device cpu, or install a CUDA build of torch"
        )
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
    device = torch.device(kind)
    configure(device, spec.train.cpu_threads)
    precision, masked = precision or spec.train.precision, spec.architecture.model.documents is not None
    kernel = best_kernel(device, torch.bfloat16 if precision == "bfloat16" else torch.float32, masked=masked)
    use_kernel(kernel)
    label = (
        f"cuda ({torch.cuda.get_device_name(device)})" if kind == "cuda" else f"cpu ({torch.get_num_threads()} threads)"
    )
    note(f"device {label}, {precision}, attention by {kernel}, torch {torch.__version__}")
    return device
