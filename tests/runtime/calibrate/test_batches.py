"""Tokens to calibrate on: how many, from where, the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.small_specs import plan_of, small
from torch import Tensor, nn
from torch.nn import functional

from loopspec.compiler.plan import Plan
from loopspec.runtime.calibrate import CalibrationError
from loopspec.runtime.calibrate.batches import sampled_batches, training_batches
from loopspec.runtime.data.token_stream import TokenStream

STREAM = TokenStream([np.arange(300, dtype=np.uint16)])


def _plan(**calibration: Any) -> Plan:
    return plan_of(small(quantization={"calibration": calibration, "rules": [{"scheme": {"kind": "float16"}}]}))


class Counting(nn.Module):
    """Sure of token + 1 after each token, but for its mode `even`, which finds all even tokens alike."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))
        self.longest = 0

    def forward(self, tokens: Tensor, *, mode: str) -> Tensor:
        assert not self.training
        self.longest = max(self.longest, tokens.size(1))
        if mode == "even":
            return torch.where(torch.arange(11) % 2 == 0, 0.0, -1e9).expand(*tokens.shape, 11)
        return functional.one_hot((tokens + 1) % 11, 11) * 1e4


def test_training_batches():
    plan = _plan(tokens=2100, seed=5)
    batches = list(training_batches(plan, STREAM))
    sequences = torch.cat([tokens for tokens, _ in batches])
    assert sequences.shape == (263, 8) and sequences.dtype == torch.int64  # the fewest of 8 that hold 2,100
    assert all((targets == tokens + 1).all() for tokens, targets in batches)
    assert (sequences[:, 1:] == sequences[:, :-1] + 1).all() and len(sequences[:, 0].unique()) > 100
    again = torch.cat([tokens for tokens, _ in training_batches(plan, STREAM)])
    other = torch.cat([tokens for tokens, _ in training_batches(_plan(tokens=2100, seed=6), STREAM)])
    assert (again == sequences).all() and (other != sequences).any()


def test_a_stream_that_is_too_short():
    with pytest.raises(CalibrationError, match="a calibration sequence of 8 needs 9 training tokens, the data has 8"):
        list(training_batches(_plan(), TokenStream([np.arange(8, dtype=np.uint16)])))


def test_sampled_text_follows_the_model():
    plan, module, seen = _plan(tokens=40), Counting(), []
    ((tokens, targets),) = sampled_batches(plan, module, "full", 4, seen.append)
    assert (tokens == (4 + torch.arange(8)) % 11).all() and (targets == (tokens + 1) % 11).all()
    assert tokens.shape == (5, 8) and module.longest == 8 and module.training and seen == list(range(5, 41, 5))


def test_sampled_text_is_drawn_by_the_seed():
    plan = _plan(tokens=800, seed=3)
    first, again = (torch.cat([each[1] for each in sampled_batches(plan, Counting(), "even")]) for _ in range(2))
    assert (first == again).all() and (first % 2 == 0).all()
    shares = torch.bincount(first.flatten(), minlength=11)[::2] / first.numel()
    assert (shares - 1 / 6).abs().max() < 0.05
    starts = torch.cat([each[0][:, 0] for each in sampled_batches(plan, Counting(), "even")])
    assert len(starts.unique()) == 11


def test_logits_that_are_not_finite():
    class Broken(Counting):
        def forward(self, tokens: Tensor, *, mode: str) -> Tensor:
            return super().forward(tokens, mode=mode) * float("nan")

    with pytest.raises(CalibrationError, match="the model's logits are not finite"):
        list(sampled_batches(_plan(tokens=8), Broken(), "full"))
