"""The number format of matrix products, for training steps and for scores alike."""

from __future__ import annotations

import torch


def autocast_of(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a module computes with `train.precision`: bfloat16 products, or nothing changed.

    Weights stay float32. Attention by a flash kernel, which takes no float32, works only inside it.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def scoring_autocast(precision: str, device: torch.device) -> torch.autocast:
    """`autocast_of` for scores: the declared precision on CUDA, always float32 on a CPU.

    On CUDA the attention kernel is chosen by the declared precision, so that scores must keep to it; a CPU has but one
    kernel, and the wider format is the more exact score.
    """
    return autocast_of(precision if device.type == "cuda" else "float32", device)
