"""The contexts of steps and scores, by device and declared precision."""

from __future__ import annotations

import pytest
import torch

from loopspec.runtime.train.precision import autocast_of, scoring_autocast


@pytest.mark.parametrize(
    ("precision", "device", "in_steps", "in_scores"),
    [
        ("float32", "cpu", False, False),
        ("bfloat16", "cpu", True, False),
        ("float32", "cuda", False, False),
        ("bfloat16", "cuda", True, True),
    ],
)
def test_scores_follow_the_declared_precision_on_cuda_only(
    monkeypatch: pytest.MonkeyPatch, precision: str, device: str, in_steps: bool, in_scores: bool
) -> None:
    made: list[tuple[str, torch.dtype, bool]] = []
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype, enabled: made.append((kind, dtype, enabled)))
    autocast_of(precision, torch.device(device))
    scoring_autocast(precision, torch.device(device))
    assert made == [(device, torch.bfloat16, in_steps), (device, torch.bfloat16, in_scores)]


def test_bfloat16_is_what_products_come_out_in() -> None:
    weight = torch.ones(2, 2)
    with autocast_of("bfloat16", torch.device("cpu")):
        assert (weight @ weight).dtype == torch.bfloat16
    with scoring_autocast("bfloat16", torch.device("cpu")):
        assert (weight @ weight).dtype == torch.float32
