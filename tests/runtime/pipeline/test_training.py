"""Batches in the order that the spec asks for."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.cli import main
from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.coprime_batches import CoprimeBatches
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.run_options import RunOptions
from loopspec.runtime.pipeline.training import (
    checkpoint_weights,
    load_checkpoint,
    require_boundary,
    train,
    training_batches,
)
from loopspec.runtime.train.errors import CheckpointError, TrainingError
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.world import World

SPEC = Path(__file__).parents[3] / "specs" / "quickstart.yaml"


ORDERS = {"contiguous": ContiguousBatches, "shuffled": ShuffledBatches, "coprime": CoprimeBatches}


@pytest.mark.parametrize(("order", "kind"), ORDERS.items(), ids=ORDERS)
def test_order_of_the_spec(order: str, kind: type) -> None:
    sets = ["train.accumulation=2", "train.seed=7", f"data.order={order}"]
    stream = TokenStream([np.arange(20_000, dtype=np.uint16)])
    plan = load_plan(SPEC, sets)
    batches = training_batches(plan, cast("Any", SimpleNamespace(train=stream)), World())
    assert type(batches) is kind
    shape = plan.spec.train.shape
    inputs, targets = batches.take(shape.sequences, shape.sequence_length)
    assert inputs.shape == (4, 256)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert batches.state().get("seed", 7) == 7
    assert np.array_equal(np.diff(inputs[:, 0]), [256] * 3) == (kind is ContiguousBatches)


SWA = ["train.averages={swa: {kind: swa, start: {step: 2}}}", "train.load=swa", "train.stop.steps=4"]
FROZEN = ["train.assign=[{match: {name: 'blocks.core.0.attention.*'}, to: frozen}, {to: declared}]"]
AWARE = ["train.quantization_aware={start: {fraction: 0.5}}", FIXED_GRIDS]


def test_a_run_with_snapshots_frozen_stores_and_rounded_steps(spec: Path, tmp_path: Path) -> None:
    plan = load_plan(spec, [*SWA, *AWARE, *FROZEN, "blocks.core.init.outputs={kind: orthogonal}"])
    data = prepare_data(plan, lambda _: None)
    with RunFolder(tmp_path / "run", resume=False, event=lambda _: None) as folder:
        trained = train(plan, data, folder, torch.device("cpu"), World(), RunOptions(), print)
        loaded = checkpoint_weights(plan, load_checkpoint(plan, folder.path))
    assert trained.averaged is not None and trained.result.quantization_aware_steps == 2
    start = dict(build_module(plan, plan.spec.train.seed).named_parameters())
    for name, weight in trained.weights.items():
        assert torch.equal(weight, loaded[name]), name
        kept = ".attention." in name
        assert torch.equal(weight, start[name]) is kept, name
        assert kept or not torch.equal(weight, trained.last[name]), name


def test_a_checkpoint_before_the_first_snapshot_cannot_be_packed(spec: Path, tmp_path: Path) -> None:
    plan = load_plan(spec, [*SWA, "train.checkpoint_every=2", "train.keep_checkpoints=3"])
    data = prepare_data(plan, lambda _: None)
    with RunFolder(tmp_path / "run", resume=False, event=lambda _: None) as folder:
        train(plan, data, folder, torch.device("cpu"), World(), RunOptions(), print)
    (folder.checkpoints / "latest").write_text("step-000000002.ckpt\n")
    with pytest.raises(CheckpointError, match=r"after step 2 the average swa, which train.load names, has taken in no"):
        checkpoint_weights(plan, load_checkpoint(plan, folder.path))


@pytest.mark.parametrize("command", ["train", "run"])
def test_another_boundary_than_the_tokenizers_is_one_error(
    command: str, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And leaves the folder free for the mended spec."""
    sets = ["--set", "model.documents={boundary_token: 7}", "--device", "cpu"]
    assert main([command, str(spec), "-o", str(tmp_path / "run"), *sets]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    found = re.fullmatch(
        r"loopspec: model\.documents\.boundary_token is 7, but in these data token (\d+) opens a document; "
        r"set it to \1, or remove model\.documents",
        error,
    )
    assert found
    assert not (tmp_path / "run").exists()
    sets[1] = f"model.documents={{boundary_token: {found[1]}}}"
    if command == "train":
        assert main([command, str(spec), "-o", str(tmp_path / "run"), *sets]) == 0


def test_a_boundary_where_no_token_opens_a_document_is_one_error(spec: Path) -> None:
    plan = load_plan(spec, ["model.documents={boundary_token: 7}"])
    message = "in these data no token opens a document; use another tokenizer, or remove"
    with pytest.raises(TrainingError, match=message):
        require_boundary(plan, cast("Any", SimpleNamespace(bos_id=None)))
    require_boundary(plan, cast("Any", SimpleNamespace(bos_id=7)))
