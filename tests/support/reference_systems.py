"""Forward passes of the reference systems over blocks, in plain torch and at any size.

Each takes weights by our store names and gives the stream after the last block. `memory` is what the systems keep
between passes (running average, skip trace).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from support.reference_block import Call, Shape, Stores, block
from support.reference_ends import Ends, start, value_table
from torch import Tensor

Memory = dict[str, Tensor]
Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """How a system is run: the mode, in training or not, and what it remembers."""

    mode: str
    training: bool
    memory: Memory


class System(Protocol):
    """A reference system of some size."""

    @property
    def ends(self) -> Ends: ...

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor: ...


def norm_scale(on: bool, index: int) -> float:
    return 1 / math.sqrt(index + 1) if on else 1.0


def last_of(count: int, last: int) -> range:
    """The last positions of so many."""
    return range(max(0, count - last), count)


def unet(w: Stores, stage: str, x: Tensor, steps: Sequence[Step], middle: Step | None = None) -> Tensor:
    """The first half of the steps pushes, the second takes the last pushed first."""
    half = len(steps) // 2
    stack = []
    for step in steps[:half]:
        x = step(x)
        stack.append(x)
    if middle is not None:
        x = middle(x)
    for number, step in enumerate(steps[half:], half):
        if stack:
            x = x + w[f"stages.{stage}.skip_weight.{number}"] * stack.pop()
        x = step(x)
    return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Frugendorff:
    """A U-Net of physical blocks, run several times over (parameter-golf PR 498)."""

    ends: Ends
    shape: Shape
    blocks: int
    loops: int
    xsa_last: int
    values: tuple[int, ...]
    norm_scaled: bool

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor:
        x = x0 = start(w, ids, self.ends)
        table = value_table(w, ids, self.ends) if self.values else None

        def step(index: int) -> Step:
            call = Call(
                scale=norm_scale(self.norm_scaled, index),
                xsa=index in last_of(self.blocks, self.xsa_last),
                values=table if index in self.values else None,
            )
            return lambda x: block(w, f"blocks.core.{index}", x, x0, self.shape, call)[0]

        for loop in range(self.loops):
            if self.loops > 1:
                x = x + w[f"stages.trunk.loop_vector.{loop}"]
            x = unet(w, "trunk", x, [step(index) for index in range(self.blocks)])
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawler:
    """A flat U-Net and shared blocks after it, or with `inside` between its halves (parameter-golf PR 579).

    `gate` is None for loops one after the other, or self, ema, reference for two firings side by side.
    """

    ends: Ends
    flat: Shape
    crawler: Shape
    flats: int
    crawlers: int
    loops: int
    xsa_last: int
    values: tuple[int, ...]
    norm_scaled: bool
    gate: str | None = None
    inside: bool = False

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor:
        x0 = start(w, ids, self.ends)
        table = value_table(w, ids, self.ends) if self.values else None

        def flat(index: int) -> Step:
            call = Call(scale=norm_scale(self.norm_scaled, index))
            return lambda x: block(w, f"blocks.flat.{index}", x, x0, self.flat, call)[0]

        def fire(loop: int, x: Tensor) -> Tensor:
            if self.loops > 1:
                x = x + w[f"stages.crawler.loop_vector.{loop}"]
            for index in range(self.crawlers):
                call = Call(
                    scale=norm_scale(self.norm_scaled, self.flats + index),
                    xsa=index in last_of(self.crawlers, self.xsa_last),
                    values=table if index in self.values else None,
                )
                x = block(w, f"blocks.crawler.{index}", x, x0, self.crawler, call)[0]
            return x

        def middle(x: Tensor) -> Tensor:
            if self.gate is not None:
                return self._gated(w, x, fire, run)
            for loop in range(self.loops if run.mode == "full" else 1):
                x = fire(loop, x)
            return x

        flats = [flat(index) for index in range(self.flats)]
        if self.inside:
            return unet(w, "flat", x0, flats, middle)
        return middle(unet(w, "flat", x0, flats))

    def _gated(self, w: Stores, x: Tensor, fire: Callable[[int, Tensor], Tensor], run: Pass) -> Tensor:
        def blend(a: Tensor, b: Tensor) -> Tensor:
            g = torch.sigmoid(torch.cat([a, b], -1) @ w["stages.crawler.gate"].T)
            return g * a + (1 - g) * b

        def other() -> Tensor:
            if self.gate == "reference":
                return w["stages.crawler.reference"].expand_as(x)
            return run.memory.get("average", torch.zeros(x.shape[-1], dtype=x.dtype)).expand_as(x)

        first = fire(0, x)
        if run.mode == "single":
            return (
                first
                if self.gate == "self"
                else first + w["stages.crawler.gate_scale"] * (blend(first, other()) - first)
            )
        second = fire(1, x)
        kept = blend(first, second)
        if self.gate == "ema":
            average = run.memory.get("average", torch.zeros(x.shape[-1], dtype=x.dtype))
            run.memory["average"] = 0.99 * average + 0.01 * kept.detach().mean((0, 1))
        if self.gate == "reference":
            kept = blend(kept, other())
        return second + w["stages.crawler.gate_scale"] * (kept - second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A U-Net with a bank block between its halves, run several times, and its trace (parameter-golf GS v7)."""

    ends: Ends
    shape: Shape
    layers: int
    bank: Shape
    loops: int
    xsa_last: int
    values: tuple[int, ...]
    norm_scaled: bool

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor:
        x0 = start(w, ids, self.ends)
        table = value_table(w, ids, self.ends) if self.values else None

        def step(index: int) -> Step:
            call = Call(
                scale=norm_scale(self.norm_scaled, index),
                xsa=index in last_of(self.layers, self.xsa_last),
                values=table if index in self.values else None,
                own={"value_scale": f"stages.trunk.value_scale.{index}"},
            )
            return lambda x: block(w, f"blocks.trunk.{index}", x, x0, self.shape, call)[0]

        def middle(x: Tensor) -> Tensor:
            return self._fire(w, x, x0, run) if run.mode == "full" else self._trace(w, x, run.memory)

        return unet(w, "trunk", x0, [step(index) for index in range(self.layers)], middle)

    def _fire(self, w: Stores, x: Tensor, x0: Tensor, run: Pass) -> Tensor:
        entered, call = x, Call(scale=norm_scale(self.norm_scaled, self.layers // 2))
        for _ in range(self.loops):
            x = block(w, "blocks.bank.0", x, x0, self.bank, call)[0]
        if run.training:
            run.memory["delta"], run.memory["age"] = (x - entered).detach(), torch.tensor(0)
        return x

    @staticmethod
    def _trace(w: Stores, x: Tensor, memory: Memory) -> Tensor:
        if "delta" not in memory:
            return x
        inject, decay = torch.sigmoid(w["stages.bank.trace.inject"]), torch.sigmoid(w["stages.bank.trace.decay"])
        x = x + inject * decay ** memory["age"] * memory["delta"]
        memory["age"] = memory["age"] + 1
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """Virtual layers of which a set shares the block of its first member (parameter-golf PR 857)."""

    ends: Ends
    shape: Shape
    layers: int
    tied: tuple[int, ...]
    xsa_last: int
    values: tuple[int, ...]
    norm_scaled: bool
    value_residual: bool = False
    differential_last: int | None = None

    def block_map(self) -> list[int]:
        """Physical block of each layer, numbered by first use."""
        blocks: list[int] = []
        for layer in range(self.layers):
            shared = self.tied and layer in self.tied[1:]
            blocks.append(blocks[self.tied[0]] if shared else max(blocks, default=-1) + 1)
        return blocks

    def flagged(self, last: int) -> set[int]:
        """Blocks that run at one of the last layers."""
        return {self.block_map()[layer] for layer in last_of(self.layers, last)}

    def differential(self) -> set[int]:
        return self.flagged(self.differential_last or self.layers) if self.differential_last is not None else set()

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor:
        x0 = start(w, ids, self.ends)
        table = value_table(w, ids, self.ends) if self.values else None
        blocks = self.block_map()
        kept: dict[int, Tensor] = {}

        def step(layer: int, x: Tensor) -> Tensor:
            index = blocks[layer]
            residual = None
            if self.value_residual and layer > 0:
                residual = w[f"stages.trunk.value_residual.{layer}"] * kept[0]
            call = Call(
                scale=norm_scale(self.norm_scaled, blocks.index(index)),
                xsa=index in self.flagged(self.xsa_last),
                differential=index in self.differential(),
                values=table if layer in self.values else None,
                residual_values=residual,
                own={"value_scale": f"stages.trunk.value_scale.{layer}"},
            )
            x, kept[layer] = block(w, f"blocks.trunk.{index}", x, x0, self.shape, call)
            return x

        return unet(w, "trunk", x0, [partial(step, layer) for layer in range(self.layers)])
