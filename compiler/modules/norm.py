"""RMS normalisation without weight (arXiv 1910.07467)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, scale: float = 1.0, eps: float = 1.1920928955078125e-07) -> Tensor:
    """x (..., d) divided by its root mean square over d, times `scale`. The default eps is float32's epsilon."""
    normed = F.rms_norm(x, (x.size(-1),), eps=eps)
    return normed if scale == 1.0 else normed * scale
