"""SIGTERM and Ctrl-C at any stage: the step ends, a checkpoint is saved, and the resumed run is the same to the bit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.forge import Fault, Forge
from support.recipe_run import assert_same_run, last_step

STEPPING = "Trainer._advance"


def stop(forge: Forge, words: list[str | Path], out: Path, fault: Fault, code: int = 130) -> str:
    ended = forge.run(words, out, fault)
    assert ended.code == code, ended.said
    assert "Traceback" not in ended.said
    return ended.said


def test_a_signal_in_each_stage_stops_after_the_step(forge: Forge, spec: Path, straight: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words: list[str | Path] = ["train", spec, "-o", folder]
    stops = ((3, signal.SIGTERM), (12, signal.SIGINT), (15, signal.SIGINT), (18, signal.SIGTERM), (21, signal.SIGINT))
    for step, number in stops:
        calls = step - 1 - last_step(folder)
        said = stop(forge, words, tmp_path / "out", Fault(STEPPING, calls, 40, signals=(number,)))
        assert f"\n{number.name}: stopping after this step; once more aborts at once\n" in said
        assert f"{number.name}: stopped after step {step}, resume from {folder}/checkpoints/step-{step:09d}" in said
        assert f"go on with: loopspec train --resume {folder}\n" in said
        assert last_step(folder) == step
        words = ["train", "--resume", folder]
    assert forge.run(words, tmp_path / "out").code == 0
    assert_same_run(straight, folder)


@pytest.mark.torture
def test_a_second_signal_aborts_at_once(forge: Forge, spec: Path, straight: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fault = Fault(STEPPING, 6, 40, signals=(signal.SIGTERM, signal.SIGINT))
    said = stop(forge, ["train", spec, "-o", folder], tmp_path / "out", fault)
    assert said.endswith("loopspec: interrupted\n")
    assert last_step(folder) == 6  # the step under way is lost
    fault = Fault(STEPPING, 0, 20, within="CheckpointFolder.save", signals=(signal.SIGINT, signal.SIGINT))
    stop(forge, ["train", "--resume", folder], tmp_path / "out", fault)
    assert last_step(folder) in (6, 7)
    assert forge.run(["train", "--resume", folder], tmp_path / "out").code == 0
    assert_same_run(straight, folder)


@pytest.mark.torture
@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGINT, signal.SIGTERM)])
def test_a_signal_anywhere_leaves_a_run_that_can_be_resumed(
    forge: Forge, spec: Path, straight: Path, tmp_path: Path, signals: tuple[int, ...]
) -> None:
    folder = tmp_path / "run"
    words: list[str | Path] = ["train", spec, "-o", folder]
    for number in range(20):
        stop(forge, words, tmp_path / "out", Fault(STEPPING, number % 2, 1 + 57 * number, signals=signals))
        words = ["train", "--resume", folder]
        if last_step(folder) >= 20:
            break
    assert forge.run(words, tmp_path / "out").code == 0
    assert_same_run(straight, folder)
