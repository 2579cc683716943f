"""RMS normalisation without weight (arXiv 1910.07467)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..constants import FLOAT32_EPS


def rms_norm(x: Tensor, scale: float = 1.0, eps: float = FLOAT32_EPS) -> Tensor:
    """x (..., d) divided by its root mean square over d, times `scale`."""
    normed = F.rms_norm(x, (x.size(-1),), eps=eps)
    return normed if scale == 1.0 else normed * scale
