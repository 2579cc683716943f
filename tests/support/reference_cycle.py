"""Forward passes of the reference systems that run few blocks in turn over many layers, in plain torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from support.reference_block import Call, Shape, Stores, block, bounded_block
from support.reference_ends import Ends, start
from support.reference_systems import Pass, Step, unet
from torch import Tensor

SCALES = ("attention_scale", "mlp_scale", "residual_mix")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Virtual layer i runs block i mod unique, under one U-Net (parameter-golf PR 167; with no sharing, the baseline).

    With `kept` the blocks keep the scales that `own_scales` replaces. Mode repeat_R runs the second half again R times;
    fixed_point is the deep-equilibrium evaluation.
    """

    ends: Ends
    shape: Shape
    layers: int
    unique: int
    own_scales: bool = False
    kept: bool = False
    vectors: bool = False
    bounded: bool = False
    cycles: int = 0
    stop_below: float = 0.0

    def stream(self, w: Stores, ids: Tensor, run: Pass) -> Tensor:
        x0 = start(w, ids, self.ends)
        settle = run.mode == "fixed_point"
        steps = [self._step(w, layer, x0, vectors=self.vectors and not settle) for layer in range(self.layers)]
        x = unet(w, "trunk", x0, steps)
        if run.mode.startswith("repeat_"):
            for _ in range(int(run.mode.removeprefix("repeat_"))):
                for step in steps[self.layers // 2 :]:
                    x = step(x)
        return self._settle(w, x, x0) if settle else x

    def _step(self, w: Stores, layer: int, x0: Tensor, *, vectors: bool) -> Step:
        name = f"blocks.trunk.{layer % self.unique}"
        own = {slot: f"stages.trunk.{slot}.{layer}" for slot in SCALES} if self.own_scales else {}

        def step(x: Tensor) -> Tensor:
            vector = w[f"stages.trunk.position_vector.{layer}"] if vectors else torch.zeros_like(x[0, 0])
            if self.bounded:
                gate = w[f"stages.trunk.recurrence_gate.{layer}"]
                return bounded_block(w, name, x, x0, vector, gate, self.shape)
            return block(w, name, x + vector, x0, self.shape, Call(own=own))[0]

        return step

    def _settle(self, w: Stores, x: Tensor, x0: Tensor) -> Tensor:
        for _ in range(self.cycles):
            old = x
            for index in range(self.unique):
                x = block(w, f"blocks.trunk.{index}", x, x0, self.shape, Call())[0]
            if (x - old).square().mean().sqrt() / (old.square().mean().sqrt() + 1e-8) < self.stop_below:
                break
        return x
