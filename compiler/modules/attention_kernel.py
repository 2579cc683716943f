"""Causal attention kernels: PyTorch's scaled-dot-product attention, or flash-attn where it can be imported."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]

# name -> module whose flash_attn_func(q, k, v, causal=True) takes (B, T, H, h); `import flash_attn` proves nothing
FLASH_MODULES = {
    "flash3": "flash_attn_interface",
    "flash2": "flash_attn.flash_attn_interface",
}


def _sdpa(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    grouped = q.size(2) != k.size(2)
    if mask is not None and grouped and q.is_cuda:  # no memory-efficient kernel has both a mask and grouped heads
        k, v = (each.repeat_interleave(q.size(2) // k.size(2), dim=2) for each in (k, v))
        grouped = False
    y = F.scaled_dot_product_attention(
        q.transpose(1, 2),
        k.transpose(1, 2),
        v.transpose(1, 2),
        attn_mask=None if mask is None else mask.to(q.dtype),
        is_causal=mask is None,
        enable_gqa=grouped,
    )
    return y.transpose(1, 2)


_kernel: Kernel = _sdpa


def causal_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention to the same and earlier tokens, scaled by 1/sqrt(h).

    q (B, T, H, h), k and v (B, T, Hk, h), H a multiple of Hk: query head i reads key-value head i // (H / Hk).
    `mask` (B, 1, T, T), added to the scores, takes the place of the causal one. Returns (B, T, H, h).

    Raises:
        ValueError: a mask, and the selected kernel takes none.
    """
    return _kernel(q, k, v, mask)


def use_kernel(name: str) -> None:
    """Selects the kernel of all attention: `sdpa`, `flash2` or `flash3`.

    Raises:
        ValueError: unknown name, or the kernel's package cannot be imported.
    """
    global _kernel
    _kernel = _sdpa if name == "sdpa" else _flash(name)


def best_kernel(device: torch.device, dtype: torch.dtype, *, masked: bool = False) -> str:
    """The fastest kernel that can be imported for the device and the dtype of the matrix products.

    `masked`: it must take a mask, as a model needs that keeps packed documents apart; flash-attn takes none.
    """
    if masked:
        return "sdpa"
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        for name, module in FLASH_MODULES.items():
            if importlib.util.find_spec(module.partition(".")[0]) is not None and _importable(module):
                return name
    return "sdpa"


def _importable(module: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), "flash_attn_func")
    except ImportError:
        return False


def _flash(name: str) -> Kernel:
    if name not in FLASH_MODULES:
        raise ValueError(f"unknown attention kernel {name!r}; known: sdpa, {', '.join(FLASH_MODULES)}")
    if not _importable(FLASH_MODULES[name]):
        raise ValueError(f"attention kernel {name!r} needs the module {FLASH_MODULES[name]}, which cannot be imported")
    function = importlib.import_module(FLASH_MODULES[name]).flash_attn_func

    def kernel(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            raise ValueError(f"attention kernel {name!r} takes no mask, which model.documents needs; use sdpa")
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else v.dtype
        y = function(q.to(dtype), k.to(dtype), v.to(dtype), causal=True)
        return y[0] if isinstance(y, tuple) else y  # type: ignore[no-any-return]

    return kernel
