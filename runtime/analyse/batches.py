"""The few tokens that a probe runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...compiler.plan import Plan
from ..data.batches import ContiguousBatches
from ..pipeline.prepare import prepare_data
from .records import Settings

Batch = tuple[Tensor, Tensor]
"""Tokens and targets, each (batch, sequence length)."""


def open_batches(plan: Plan, settings: Settings, note: Callable[[str], None]) -> tuple[str, Iterator[Batch]]:
    """What the tokens are, and an endless stream of batches, the same for the same settings.

    Raises:
        DataError: the spec's data cannot be used.
    """
    if settings.data == "random":
        return "random tokens", _random_batches(plan, settings)
    data = prepare_data(plan, note)
    return data.description, _data_batches(ContiguousBatches(data.train), settings)


def _random_batches(plan: Plan, settings: Settings) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(settings.seed)
    shape = (settings.batch, settings.sequence_length + 1)
    while True:
        tokens = torch.randint(0, plan.spec.architecture.model.vocab_size, shape, generator=generator)
        yield tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


def _data_batches(batches: ContiguousBatches, settings: Settings) -> Iterator[Batch]:
    while True:
        tokens, targets = batches.take(settings.batch, settings.sequence_length)
        yield torch.from_numpy(tokens), torch.from_numpy(targets)
