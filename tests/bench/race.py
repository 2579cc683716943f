"""Emitted modules against plain ones: that both compute the same, and which is faster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import plain_model
import torch
from timing import Samples, interleave, ratios, seconds_of
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module

SPECS = Path(__file__).parents[2] / "specs"
TOLERANCE = 1e-5
SMALL_CRAWLER = (
    "model.dim=128",
    "model.embedding.dtype=float32",
    "model.input.0.dim=64",
    "model.input.0.dtype=float32",
    "model.value_embedding.dtype=float32",
    "graph.1.loop_vector.dtype=float32",
    *(f"blocks.{group}.attention.{heads}" for group in ("flat", "crawler") for heads in ("heads=4", "kv_heads=2")),
)


@dataclass(frozen=True)
class Race:
    """Two modules with the same weights, and one batch."""

    name: str
    modes: tuple[str, ...]
    emitted: nn.Module
    plain: plain_model.Base
    tokens: Tensor  # (B, T)
    targets: Tensor  # (B, T)

    def check(self, mode: str) -> None:
        """Loss and gradient norm agree."""
        figures = []
        for module in (self.emitted, self.plain):
            loss = train_once(module, self.tokens, self.targets, mode)
            norm = nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
            figures.append(torch.stack([loss.detach(), norm]))
        torch.testing.assert_close(figures[0], figures[1], rtol=TOLERANCE, atol=TOLERANCE)

    def ratio(self, mode: str, repeats: int) -> Samples:
        """Time of the plain module over that of the emitted one."""
        contenders = {
            name: partial(seconds_of, partial(train_once, module, self.tokens, self.targets, mode))
            for name, module in (("emitted", self.emitted), ("plain", self.plain))
        }
        seconds = interleave(contenders, repeats)
        return ratios(seconds["plain"], seconds["emitted"])


def races(batch: int, length: int) -> Iterator[Race]:
    """quickstart as it is, and micro-crawler of width 128."""
    yield _race("quickstart", (), ("full",), plain_model.Quickstart(length), batch)
    crawler = plain_model.MicroCrawler(128, 4, 2, length)
    yield _race("micro-crawler", SMALL_CRAWLER, ("full", "single"), crawler, batch)


def train_once(module: nn.Module, tokens: Tensor, targets: Tensor, mode: str) -> Tensor:
    """The loss of one forward and backward pass."""
    module.zero_grad()
    loss: Tensor = module(tokens, targets, mode=mode)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss


def _race(name: str, sets: tuple[str, ...], modes: tuple[str, ...], plain: plain_model.Base, batch: int) -> Race:
    plan = load_plan(SPECS / f"{name}.yaml", sets)
    emitted = build_module(plan, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in emitted.parameters():  # some start at zero, and would hide what differs behind them
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    plain.load_stores(dict(emitted.named_parameters()))
    vocab_size, length = plan.spec.architecture.model.vocab_size, plain.cos.size(0)
    tokens = torch.randint(vocab_size, (batch, length + 1), generator=generator)
    return Race(name, modes, emitted, plain, tokens[:, :-1], tokens[:, 1:])
