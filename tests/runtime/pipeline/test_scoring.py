"""Scores in the declared precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.pipeline import scoring
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.scoring import (
    artifact_validation,
    open_artifact,
    score_settings,
    score_text,
    score_weights,
    validation_loss,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("scored_in", ["float32", "bfloat16"])
def test_every_score_is_taken_inside_the_scoring_autocast(
    spec: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch, scored_in: str
) -> None:
    """Its choice is replaced by a fixed one, which must then decide what the module computes in."""
    asked: list[tuple[str, torch.device]] = []

    def chosen(precision: str, device: torch.device) -> torch.autocast:
        asked.append((precision, device))
        return torch.autocast("cpu", torch.bfloat16, enabled=scored_in == "bfloat16")

    seen: list[bool] = []
    monkeypatch.setattr(scoring, "scoring_autocast", chosen)
    plan = load_plan(spec, ["train.precision=bfloat16"])
    data = prepare_data(plan, lambda _: None)
    module = build_module(plan, 0)
    opened = open_artifact(artifact)
    for each in (module, opened.module):
        each.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    validation_loss(plan, module, data, CPU)
    score_weights(plan, module, {}, data, dict(module.named_parameters()))
    scored = artifact_validation(artifact, opened, data.tokenizer, lambda _: None)
    score_text(opened, scored, score_settings(opened.plan), CPU)
    assert asked == [("bfloat16", CPU), ("bfloat16", CPU), ("float32", CPU)]
    assert set(seen) == {scored_in == "bfloat16"}
