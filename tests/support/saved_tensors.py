"""What autograd keeps of a forward pass."""

from __future__ import annotations

import torch


def kept_bytes(module: torch.nn.Module, tokens: torch.Tensor, mode: str) -> int:
    """Bytes that autograd keeps for the backward pass, weights left out, each storage once."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = module(tokens, tokens, mode=mode)
    assert loss.requires_grad
    return sum(kept.values())
