"""What a run tells, and what it leaves, when memory or the disk is full."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from tiny_run import TinyModule, make_train, run
from torch import Tensor

from loopspec.runtime.train import checkpoint as checkpoint_module
from loopspec.runtime.train.errors import CheckpointError, TrainingError
from loopspec.runtime.train.memory import out_of_memory, peak_bytes
from loopspec.runtime.train.metrics import read_records

CPU = torch.device("cpu")


class Greedy(TinyModule):
    """Asks for more memory than there is at its 15th pass, in step 8."""

    def __init__(self, error: RuntimeError) -> None:
        super().__init__()
        self.passes, self.error = 0, error

    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:
        self.passes += 1
        if self.passes == 15:
            raise self.error
        return super().forward(tokens, targets, mode)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["gpu", "cpu"],
)
def test_out_of_memory_is_one_line_with_the_mend(tmp_path: Path, error: RuntimeError) -> None:
    with pytest.raises(TrainingError) as caught:
        run(tmp_path, make_train(30), module=Greedy(error))
    message = str(caught.value)
    kept = tmp_path / "checkpoints" / "step-000000005.ckpt"
    assert re.match(r"out of memory on cpu: the peak was [\d,]+ MiB; raise train\.accumulation", message)
    assert message.endswith(f"; last good checkpoint: {kept}") and kept.exists() and "\n" not in message
    assert read_records(tmp_path / "metrics.jsonl")[-1]["step"] == 7
    assert run(tmp_path, make_train(30), resume=True)[0].step == 30


def test_another_error_stays_what_it_is(tmp_path: Path) -> None:
    error = RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError) as caught:
        run(tmp_path, make_train(30), module=Greedy(error))
    assert caught.value is error
    assert out_of_memory(error, CPU) is None


def test_the_peak_is_that_of_the_process() -> None:
    assert 2**24 < peak_bytes(CPU) < 2**40


def fill_disk(monkeypatch: pytest.MonkeyPatch, full_from: int, full_to: int) -> None:
    """Files of checkpoints after steps in this range find no room; a part of each is written before that."""
    write = checkpoint_module.write_atomically

    def cut(chunks: Iterable[bytes]) -> Iterable[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            raise OSError(errno.ENOSPC, "No space left on device")

    def write_if_room(path: Path, chunks: Iterable[bytes]) -> None:
        number = path.stem.removeprefix("step-")
        write(path, cut(chunks) if number.isdigit() and full_from <= int(number) <= full_to else chunks)

    monkeypatch.setattr(checkpoint_module, "write_atomically", write_if_room)


def test_a_full_disk_on_the_way_is_told_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = run(tmp_path / "straight", make_train(20))
    fill_disk(monkeypatch, 10, 15)
    result, last, _ = run(tmp_path / "full", make_train(20))
    assert (result.step, result.outcome) == (20, "finished")
    assert all(torch.equal(weight, straight[1][name]) for name, weight in last.items())
    checkpoints = tmp_path / "full" / "checkpoints"
    told = capsys.readouterr().err
    for step in (10, 15):
        message = f"checkpoint after step {step} cannot be written (No space left on device); going on; last good"
        assert f"{message} checkpoint: {checkpoints / 'step-000000005.ckpt'}" in told
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "latest",
        "step-000000005.ckpt",
        "step-000000020.ckpt",
    ]


def test_a_full_disk_at_the_end_fails_the_run_and_the_checkpoint_before_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = run(tmp_path / "straight", make_train(18))
    with monkeypatch.context() as full:
        fill_disk(full, 18, 18)
        with pytest.raises(CheckpointError, match=r"after step 18 cannot be written \(No space left on device\); make"):
            run(tmp_path / "full", make_train(18))
    checkpoints = tmp_path / "full" / "checkpoints"
    assert (checkpoints / "latest").read_text() == "step-000000015.ckpt\n"
    assert not list(checkpoints.glob(".*.partial"))
    resumed = run(tmp_path / "full", make_train(18), resume=True)
    for ours, theirs in zip(straight[1:], resumed[1:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
