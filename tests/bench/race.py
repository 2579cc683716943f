"""Emitted modules against plain ones, eager and compiled: that both compute the same, and which is faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import plain_model
import torch
from op_counts import Work, work_of
from systems import SMALL, SMALL_LENGTH
from timing import Samples, interleave, ratios, seconds_of
from torch import Tensor, nn

from loopspec.compiler.emit.compiled import compile_modes
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan

TOLERANCE = 1e-5
PLAIN: dict[str, Callable[[], plain_model.Base]] = {
    "quickstart": partial(plain_model.Quickstart, SMALL_LENGTH),
    "micro-crawler": partial(plain_model.MicroCrawler, 128, 4, 2, SMALL_LENGTH),
    "tied-15l": partial(plain_model.Tied15l, 128, 4, 2, SMALL_LENGTH),
}


class Contender(NamedTuple):
    """A module and what computes its loss: itself, or itself compiled."""

    module: nn.Module
    forward: Callable[..., Tensor]


@dataclass(frozen=True)
class Race:
    """Two modules with the same weights, and one batch."""

    name: str
    modes: tuple[str, ...]
    plan: Plan
    emitted: nn.Module
    plain: plain_model.Base
    tokens: Tensor  # (B, T)
    targets: Tensor  # (B, T)

    def eager(self) -> dict[str, Contender]:
        """Both, by name."""
        return {"emitted": Contender(self.emitted, self.emitted), "plain": Contender(self.plain, self.plain)}

    def compiled(self) -> dict[str, Contender]:
        """Both, to be compiled on their first call, as one whole graph for each mode."""
        emitted = compile_modes(self.emitted, self.plan, dynamic=False)
        plain = torch.compile(self.plain, fullgraph=True, dynamic=False)
        return {"emitted": Contender(self.emitted, emitted), "plain": Contender(self.plain, plain)}

    def check(self, mode: str, contenders: Mapping[str, Contender]) -> dict[str, float]:
        """Loss and gradient norm agree with those of the emitted module, eager; seconds on the wall that each took."""
        expected = self._figures(self.eager()["emitted"], mode)
        seconds = {}
        for name, contender in contenders.items():
            began = time.perf_counter()
            torch.testing.assert_close(self._figures(contender, mode), expected, rtol=TOLERANCE, atol=TOLERANCE)
            seconds[name] = time.perf_counter() - began
        return seconds

    def ratio(self, mode: str, above: Contender, below: Contender, repeats: int) -> Samples:
        """Time of forward and backward of one over that of the other."""
        both = {"above": above, "below": below}
        timed = {name: partial(seconds_of, partial(self._train_once, each, mode)) for name, each in both.items()}
        seconds = interleave(timed, repeats)
        return ratios(seconds["above"], seconds["below"])

    def work(self, mode: str, contender: Contender) -> Work:
        """Operations of forward and backward."""
        return work_of(partial(self._train_once, contender, mode))

    def _figures(self, contender: Contender, mode: str) -> Tensor:
        loss = self._train_once(contender, mode)
        norm = nn.utils.get_total_norm([p.grad for p in contender.module.parameters() if p.grad is not None])
        return torch.stack([loss.detach(), norm])

    def _train_once(self, contender: Contender, mode: str) -> Tensor:
        """The loss of one forward and backward pass."""
        contender.module.zero_grad()
        loss: Tensor = contender.forward(self.tokens, self.targets, mode=mode)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss


def races(batch: int, systems: Collection[str]) -> Iterator[Race]:
    """Those small systems that have a plain counterpart, on `batch` sequences."""
    for name, plain in PLAIN.items():
        if name in systems:
            yield _race(name, plain(), batch)


def _race(name: str, plain: plain_model.Base, batch: int) -> Race:
    system = SMALL[name]
    plan = system.plan()
    emitted = build_module(plan, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in emitted.parameters():  # some start at zero, and would hide what differs behind them
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    plain.load_stores(dict(emitted.named_parameters()))
    vocab_size, length = plan.spec.architecture.model.vocab_size, plain.cos.size(0)
    tokens = torch.randint(vocab_size, (batch, length + 1), generator=generator)
    return Race(name, system.modes, plan, emitted, plain, tokens[:, :-1], tokens[:, 1:])
