"""Checkpoint files: round trip, retention, kills at each point of a save, and what is said of bad files."""

import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler import load_plan
from loopspec.compiler.source.canonical import resolved_yaml
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.runtime.train.checkpoint import (
    MAGIC,
    Checkpoint,
    CheckpointFolder,
    decode,
    encode,
    spec_hash,
    written_spec_hash,
)
from loopspec.runtime.train.determinism import random_state, restore_random_state
from loopspec.runtime.train.errors import CheckpointError

CPU = torch.device("cpu")
ONE = Checkpoint(
    step=1,
    spec_hash="abc",
    model={"w": torch.arange(6.0).reshape(2, 3)},
    optimizers={"matrices": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}},
    states={},
    average=None,
    random=random_state(),
    batches={"shard": "a.bin", "position": 7},
    itinerary={"index": 0, "main": {"phase": 1, "since": {"snapshots": 3}, "places": {0: [{"shape": [8, 16, 1]}]}}},
    clock={"seconds": 1.5, "elsewhere": {"saving": 0.25}},
    counts={"stages": {"main": 1}, "modes": {"full": 1}, "tokens": 96},
    train_loss=2.5,
)
ENCODED = encode(ONE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints", 2)
    path = folder.save(ONE)
    assert folder.latest(pytest.fail) == path
    loaded = folder.load(path, "abc", CPU)
    assert torch.equal(loaded.model["w"], ONE.model["w"])
    plain = [field.name for field in fields(Checkpoint) if field.name not in {"model", "optimizers", "random"}]
    assert [getattr(loaded, name) for name in plain] == [getattr(ONE, name) for name in plain]


def test_random_states_come_back(tmp_path: Path) -> None:
    import random

    import numpy as np

    before = random_state()
    drawn = random.random(), np.random.random(), torch.rand(3)
    path = CheckpointFolder(tmp_path, 1).save(replace(ONE, random=before))
    restore_random_state(CheckpointFolder(tmp_path, 1).load(path, "abc", CPU).random)
    again = random.random(), np.random.random(), torch.rand(3)
    assert drawn[:2] == again[:2]
    assert torch.equal(drawn[2], again[2])


def test_keeps_the_last(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, 2)
    for step in (5, 10, 100, 1000):
        folder.save(replace(ONE, step=step))
    assert names(tmp_path) == ["latest", "step-000000100.ckpt", "step-000001000.ckpt"]
    assert folder.latest(pytest.fail) == tmp_path / "step-000001000.ckpt"


@pytest.mark.parametrize("keep", [1, 3, 4, 9])
def test_keeps_as_many_as_it_is_told_from_the_first_on(tmp_path: Path, keep: int) -> None:
    folder = CheckpointFolder(tmp_path, keep)
    for step in range(1, 12):
        folder.save(replace(ONE, step=step))
        kept = range(max(step - keep, 0) + 1, step + 1)
        assert names(tmp_path) == ["latest", *(f"step-{number:09d}.ckpt" for number in kept)]


def test_no_checkpoint_yet(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "absent", 1).latest(pytest.fail) is None


def killed_after(survived: int, action: Callable[[], object]) -> bool:
    """Whether a process that dies at the fsync or rename after `survived` of them was killed in `action`."""
    pid = os.fork()
    if pid == 0:
        left = iter(range(survived))
        fsync, rename = os.fsync, Path.replace

        def count() -> None:
            if next(left, None) is None:
                os._exit(9)

        os.fsync = lambda fd: (count(), fsync(fd))
        Path.replace = lambda self, target: (count(), rename(self, target))
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.mark.parametrize("survived", range(8))
def test_a_kill_at_any_point_leaves_a_good_latest(tmp_path: Path, survived: int) -> None:
    """Dies at the n-th fsync or rename of the second save: the pointer always names a whole checkpoint."""
    folder = CheckpointFolder(tmp_path, 1)
    folder.save(ONE)
    killed = killed_after(survived, lambda: folder.save(replace(ONE, step=2)))
    assert killed == (survived < 7)  # two files of three operations each, and the folder once more
    assert any(name.endswith(".partial") for name in names(tmp_path)) == (survived in {0, 1, 3, 4})
    path = folder.latest(pytest.fail)
    assert path is not None
    assert folder.load(path, "abc", CPU).step == (2 if survived >= 5 else 1)
    folder.save(replace(ONE, step=3))
    assert names(tmp_path) == ["latest", "step-000000003.ckpt"]


@pytest.mark.parametrize("survived", range(8))
def test_a_kill_in_the_first_save_needs_no_hand(tmp_path: Path, survived: int) -> None:
    folder = CheckpointFolder(tmp_path, 1)
    assert killed_after(survived, lambda: folder.save(ONE)) == (survived < 7)
    events: list[str] = []
    path = folder.latest(events.append)
    assert (path is None) == (survived < 2)  # the file took its name with the second operation
    assert path is None or folder.load(path, "abc", CPU).step == 1
    missing = f"{tmp_path / 'latest'} is missing; taking the newest checkpoint beside it, step-000000001.ckpt"
    assert events == ([missing] if 2 <= survived < 5 else [])


@examples(40)
@given(position=st.integers(0, len(ENCODED) - 1), flip=st.integers(1, 255))
def test_any_changed_byte_is_found(position: int, flip: int) -> None:
    damaged = bytearray(ENCODED)
    damaged[position] ^= flip
    with pytest.raises(CheckpointError, match=r"^x\.ckpt (is|has) .*"):
        decode(bytes(damaged), CPU, Path("x.ckpt"), "mend")


@examples(20)
@given(length=st.integers(0, len(ENCODED) - 1))
def test_any_cut_is_found(length: int) -> None:
    with pytest.raises(CheckpointError):
        decode(ENCODED[:length], CPU, Path("x.ckpt"), "mend")


def message(folder: CheckpointFolder, path: Path, expected_hash: str = "abc") -> str:
    with pytest.raises(CheckpointError) as caught:
        folder.load(path, expected_hash, CPU)
    return str(caught.value)


def test_messages_name_file_and_mend(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, 3)
    path = folder.save(ONE)
    assert "belongs to another spec (hash abc, this spec has def)" in message(folder, path, "def")
    last = folder.save(replace(ONE, step=2))
    mend = f"remove it and write the name of another into {tmp_path / 'latest'}: {path.name}"
    last.write_bytes(last.read_bytes()[:-1])
    assert message(folder, last) == f"{last} is damaged (its digest differs); {mend}"
    last.write_bytes(b"PK\x03\x04 someone else's file")
    assert message(folder, last) == f"{last} is no loopspec checkpoint; {mend}"
    last.write_bytes(MAGIC[:-3] + b"999" + bytes(64))
    assert "has checkpoint format 999, this version reads 004" in message(folder, last)
    last.unlink()
    with pytest.raises(CheckpointError, match=rf"names '{last.name}', which is not there.*: {path.name}"):
        folder.latest(pytest.fail)


@pytest.mark.parametrize("name", ["quickstart", "tied-15l"])
def test_the_spec_as_it_was_written_has_the_hash_of_its_plan(tmp_path: Path, name: str) -> None:
    plan = load_plan(shipped_specs()[f"{name}.yaml"])
    file = tmp_path / "spec.yaml"
    assert written_spec_hash(file, plan) == spec_hash(plan)  # before it is written
    file.write_text(resolved_yaml(plan.spec.plain))
    assert written_spec_hash(file, plan) == spec_hash(plan)
    file.write_text("name: [")
    assert written_spec_hash(file, plan) == spec_hash(plan)


def test_either_hash_will_do(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, 1)
    path = folder.save(ONE)
    assert folder.load(path, "new", CPU, written="abc").step == 1
    with pytest.raises(CheckpointError, match="belongs to another spec"):
        folder.load(path, "new", CPU, written="old")


def test_foreign_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path = CheckpointFolder(tmp_path, 1).save(replace(ONE, batches={"evil": Evil()}))
    with pytest.raises(CheckpointError, match="holds something other than tensors and plain values"):
        CheckpointFolder(tmp_path, 1).load(path, "abc", CPU)
    assert not (tmp_path / "ran").exists()
