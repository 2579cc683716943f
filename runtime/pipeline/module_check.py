"""Whether the model that an artifact opens as holds exactly what the artifact decodes to."""

from __future__ import annotations

from pathlib import Path

import torch

from ..artifact import ArtifactError
from ..quantize import decode
from .scoring import open_artifact


def check_module(path: Path) -> int:
    """Opens the artifact as `eval` does; returns how many parameters and buffers hold its stores and states.

    Raises:
        ArtifactError: not a sound artifact, or one whose stores and states are not those of the module, bit for bit.
    """
    opened = open_artifact(path)
    held = dict(opened.module.named_parameters()) | dict(opened.module.named_buffers())
    for name, encoded in opened.contents.tensors.items():
        tensor = held.get(name)
        want = torch.from_numpy(decode(encoded))
        if tensor is None or tensor.shape != want.shape or not torch.equal(tensor, want.to(tensor.dtype)):
            raise ArtifactError(f"{path}: the module does not hold {name} as it is stored; pack the run again")
    return len(opened.contents.tensors)
