"""Initial values: every store from its own generator, seeded by the spec's seed and the store's name.

So a store's start does not depend on what else is declared: a change of one part leaves the others as they were.
"""

from __future__ import annotations

import hashlib
from math import sqrt

import torch
from torch import Tensor, nn

from ..plan import Plan, PlannedStore


def initialize(module: nn.Module, plan: Plan, seed: int) -> None:
    """Fills the module's parameters in place as the plan's stores say."""
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for store in plan.stores:
            parameters[store.name].copy_(initial_value(store, plan, seed))


def initial_value(store: PlannedStore, plan: Plan, seed: int) -> Tensor:
    """The store's start, float32 on the CPU."""
    init, shape = store.init, store.shape
    if init.kind == "zero":
        return torch.zeros(shape)
    if init.kind == "constant":
        assert init.value is not None
        return torch.full(shape, init.value)
    if init.kind == "vector":
        assert init.values is not None
        return torch.tensor(init.values)
    if init.kind == "identity_mix":
        return torch.stack((torch.ones(shape[1]), torch.zeros(shape[1])))
    return _random(store, seed) * _depth_scale(store, plan)


def _random(store: PlannedStore, seed: int) -> Tensor:
    init, shape = store.init, store.shape
    if init.kind == "orthogonal":
        assert init.gain is not None
        return _orthogonal(store, seed) * init.gain
    generator = _generator(seed, store.name)
    if init.kind == "normal":
        assert init.std is not None
        return torch.randn(shape, generator=generator) * init.std
    assert init.kind == "uniform_fan_in"
    return (torch.rand(shape, generator=generator) * 2 - 1) / sqrt(shape[-1])


def _orthogonal(store: PlannedStore, seed: int) -> Tensor:
    """Orthonormal rows or columns by QR. Vectors of one family are the rows of one matrix, so they are orthogonal."""
    family = store.family or (store.name,)
    shape = (len(family), store.shape[-1]) if len(store.shape) == 1 else store.shape
    matrix = torch.empty(shape)
    nn.init.orthogonal_(matrix, generator=_generator(seed, family[0]))
    return matrix[family.index(store.name)] if len(store.shape) == 1 else matrix


def _depth_scale(store: PlannedStore, plan: Plan) -> float:
    """1/sqrt(2 L), the residual scaling of GPT-2, with L as the spec says."""
    if store.init.depth_scale == "none":
        return 1.0
    blocks = sum(len(group) for group in plan.spec.architecture.blocks.values())
    layers = blocks if store.init.depth_scale == "unique_blocks" else len(plan.modes["full"].positions)
    return 1.0 / sqrt(2 * layers)


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
