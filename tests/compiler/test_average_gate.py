"""Run 6 of PR 579, of which there is no recording: its published formula in numpy, on the firings recorded of Run 3.

Both runs have the same weights, so the outputs of the crawler's firings are the recorded ones; what comes after them
is computed here anew and compared with the emitted module.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from support.golden_systems import crawler
from support.goldens import Golden, Loaded, load

Array = npt.NDArray[Any]
DIM, DECAY, SOFTCAP = 32, 0.99, 30.0
TOLERANCE = 2e-5
RECORDED = {
    "C": ("trace.C.010.crawler_blocks.1", "trace.C.014.crawler_blocks.1"),
    "N": ("trace.N.010.crawler_blocks.1",),
}


def run_6(*, update_in_evaluation: bool) -> Loaded:
    """Run 6 as shipped, with the weights of Run 3."""
    sets = (
        "graph.1.firing.combine.dtype=float32",
        f"graph.1.firing.combine.update_in_evaluation={str(update_in_evaluation).lower()}",
    )
    golden: Golden = crawler("crawler_run3_selfref", "micro-crawler-run6", 1024, *sets)
    return load(replace(golden, runs=()))


def gated(a: Array, b: Array, gate: Array) -> Array:
    """g a + (1 - g) b with g = sigmoid([a; b] gate^T)."""
    share: Array = 1 / (1 + np.exp(-(np.concatenate((a, np.broadcast_to(b, a.shape)), axis=-1) @ gate.T)))
    blend: Array = share * a + (1 - share) * b
    return blend


class Reference:
    """The published formula: gate Wg (d, 2d), scale s, and the buffer m (d,), which starts at zero."""

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.gate, self.scale = arrays["sd.delib_gate.weight"], float(arrays["sd.delib_scale"])
        self.table = arrays["sd.tok_emb.weight"]
        self.firings = {run: [arrays[name] for name in names] for run, names in RECORDED.items()}
        self.average: Array = np.zeros(DIM)

    def crawl(self, *, update: bool) -> Array:
        """C-mode: k = g f0 + (1 - g) f1, out = f1 + s (k - f1); then m <- 0.99 m + 0.01 mean(k)."""
        first, second = self.firings["C"]
        blend = gated(first, second, self.gate)
        if update:
            self.average = DECAY * self.average + (1 - DECAY) * blend.mean(axis=(0, 1))
        return self._logits(second + self.scale * (blend - second))

    def single(self) -> Array:
        """N-mode: out = a + s (adj - a), adj the gated blend of the only firing a and m."""
        (only,) = self.firings["N"]
        return self._logits(only + self.scale * (gated(only, self.average, self.gate) - only))

    def _logits(self, x: Array) -> Array:
        normed: Array = x / np.sqrt((x.astype(np.float64) ** 2).mean(axis=-1, keepdims=True) + 1.1920929e-07)
        logits: Array = SOFTCAP * np.tanh(normed @ self.table.T / SOFTCAP)
        return logits


def step(model: Loaded, mode: str) -> Array:
    """Logits of one forward pass."""
    with torch.no_grad():
        logits: torch.Tensor = model.module(model.batch[0], mode=mode)
    return logits.numpy()


def average(model: Loaded) -> Array:
    return model.module.get_buffer("stages.crawler.average").numpy()


def close(ours: Array, expected: Array) -> None:
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("update_in_evaluation", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_average_gate(update_in_evaluation: bool, training: bool) -> None:
    model = run_6(update_in_evaluation=update_in_evaluation)
    reference = Reference(dict(model.golden.arrays))
    model.module.train(training)
    update = training or update_in_evaluation
    assert average(model).shape == (DIM,) and not average(model).any()
    close(step(model, "single"), reference.single())  # against the zero that the buffer starts at
    for _ in range(3):
        close(step(model, "full"), reference.crawl(update=update))
        np.testing.assert_allclose(average(model), reference.average, rtol=1e-5, atol=1e-7)
    assert average(model).any() == update
    before = average(model).copy()
    close(step(model, "single"), reference.single())
    assert np.array_equal(average(model), before), "mode single only reads the buffer"


def test_a_far_average_moves_the_single_firing_only() -> None:
    model = run_6(update_in_evaluation=False)
    reference = Reference(dict(model.golden.arrays))
    single, full = step(model, "single"), step(model, "full")
    given = np.random.default_rng(6).normal(size=DIM).astype(np.float32)
    with torch.no_grad():
        model.module.get_buffer("stages.crawler.average").copy_(torch.from_numpy(given))
    reference.average = given
    close(step(model, "single"), reference.single())
    assert np.abs(step(model, "single") - single).max() > 1e-2
    assert np.array_equal(step(model, "full"), full)


def test_the_average_passes_no_gradient() -> None:
    model = run_6(update_in_evaluation=False)
    model.module.train()
    model.module(*model.batch, mode="full").backward()
    buffer = model.module.get_buffer("stages.crawler.average")
    assert buffer.any() and not buffer.requires_grad and buffer.grad_fn is None
    model.module.zero_grad()
    model.module(*model.batch, mode="single").backward()
    gate = model.module.get_parameter("stages.crawler.gate")
    assert gate.grad is not None and gate.grad.abs().max() > 0
