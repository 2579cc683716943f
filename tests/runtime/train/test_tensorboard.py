"""Records mirrored as TensorBoard events."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.tensorboard import TensorBoardLog


class Recorder:
    """An EventWriter that keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any, int]] = []
        self.opened: tuple[Path, int] | None = None
        self.closed = False

    def make(self, folder: Path, purge_step: int) -> Recorder:
        self.opened = (folder, purge_step)
        return self

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.events.append((tag, value, step))

    add_text = add_scalar

    def flush(self) -> None: ...

    def close(self) -> None:
        self.closed = True


def test_figures_become_scalars_by_kind_stage_and_mode(tmp_path):
    recorder = Recorder()
    with TensorBoardLog(tmp_path, 0, recorder.make) as log:
        log.append("train", 1, {"stage": "main", "mode": "full", "loss": 5.0, "quantization_aware": True})
        log.append("validation", 1, {"validation_bpb": 2.5, "flops": None})
        log.append("train", 2, {"stage": "replay", "mode": "full", "loss": 4.0})
    assert recorder.opened == (tmp_path / "tensorboard", 1) and recorder.closed
    assert recorder.events == [
        ("train/loss", 5.0, 1),
        ("train/quantization_aware", 1.0, 1),
        ("train/loss_by_mode/full", 5.0, 1),
        ("validation/validation_bpb", 2.5, 1),
        ("replay/loss", 4.0, 2),
        ("replay/loss_by_mode/full", 4.0, 2),
    ]


def test_mappings_are_flat_and_text_is_told_where_it_changes(tmp_path):
    recorder = Recorder()
    log = TensorBoardLog(tmp_path, 0, recorder.make)
    for step, word in enumerate(["a", "a", "b"]):
        log.append("event", step, {"text": word, "counts": {"full": step}})
    texts = [(value, step) for tag, value, step in recorder.events if tag == "event/text"]
    assert texts == [("a", 0), ("b", 2)]
    assert ("event/counts/full", 2.0, 2) in recorder.events


def test_a_value_without_an_event_is_no_secret(tmp_path):
    with pytest.raises(TypeError, match="train/loss of step 1 is "):
        TensorBoardLog(tmp_path, 0, Recorder().make).append("train", 1, {"loss": [1.0]})


def test_asked_for_and_not_installed(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # importing it then raises ImportError
    with pytest.raises(
        TrainingError, match=r"cannot be used \(.*tensorboard.*\); pip install 'loopspec\[tensorboard\]'"
    ):
        TensorBoardLog(tmp_path, 0)
    assert not (tmp_path / "tensorboard").exists()


def test_a_resumed_run_reads_as_if_it_had_never_stopped(tmp_path):
    """With the package itself: steps 4 and 5 were lost with the process, and come again after a resume at 3."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for resumed, steps, loss in ((0, range(1, 6), 5.0), (3, range(4, 8), 4.0)):
        with TensorBoardLog(tmp_path, resumed) as log:
            for step in steps:
                log.append("train", step, {"loss": loss})
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert found == [(1, 5.0), (2, 5.0), (3, 5.0), (4, 4.0), (5, 4.0), (6, 4.0), (7, 4.0)]
    assert all(math.isfinite(value) for _, value in found)
