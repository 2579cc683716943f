"""Several processes train the model that one trains, and none outlives the others."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.forge import Fault, Forge
from support.recipe_run import STEPS, assert_close_run, assert_same_run, last_step, records_of

from loopspec.runtime.train.launched import PEER_GONE

ALONE = "another process of the run is gone; resume the run"


def trained(forge: Forge, spec: Path, folder: Path, ranks: int, *sets: str) -> Path:
    """A finished run's folder; all that was printed came from the first process."""
    words = ["train", spec, "-o", folder, *(word for change in sets for word in ("--set", change))]
    first, *others = forge.run_ranks(words, folder.with_suffix(".out"), ranks)
    assert first.code == 0, first.said
    assert [(other.code, other.said) for other in others] == [(0, "")] * (ranks - 1)
    assert "Warning" not in first.said and "[W" not in first.said
    return folder


def test_two_processes_train_what_one_trains(forge: Forge, spec: Path, tmp_path: Path) -> None:
    one = trained(forge, spec, tmp_path / "one", 1)
    two = trained(forge, spec, tmp_path / "two", 2)
    assert_close_run(one, two)


def test_the_death_of_a_process_ends_the_others(forge: Forge, spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", spec, "-o", folder]
    first, second = forge.run_ranks(words, tmp_path / "out", 2, {1: Fault("Trainer._advance", 5)})
    assert second.code == -signal.SIGKILL
    assert first.code == PEER_GONE
    assert first.said.count(ALONE) == 1 and "Traceback" not in first.said
    assert last_step(folder) == 5
    resumed = forge.run(["train", "--resume", folder], tmp_path / "out")  # by another number of processes
    assert resumed.code == 0, resumed.said
    assert len(records_of(folder)) == sum(STEPS.values())


def test_a_batch_that_does_not_divide_is_an_error_before_training(forge: Forge, spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ended = forge.run_ranks(["train", spec, "-o", folder], tmp_path / "out", 3)
    for one in ended:
        assert one.code == 1
        assert one.said.count("loopspec: 3 processes, 2 micro-batches of 4 sequences a step: 3 processes would") == 1
    assert not (folder / "spec.yaml").exists()


def test_processes_whose_weights_differ_save_nothing(forge: Forge, spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fault = Fault("Trainer._advance", 5, signals=(signal.SIGUSR1,))
    ended = forge.run_ranks(["train", spec, "-o", folder], tmp_path / "out", 2, {1: fault})
    for one in ended:
        assert one.code == 1
        assert one.said.count("loopspec: the 2 processes hold different weights; resume from the last checkpoint") == 1
    assert last_step(folder) == 5


@pytest.mark.torture
@pytest.mark.parametrize("order", ["shuffled", "contiguous"])
@pytest.mark.parametrize("accumulation", [1, 2, 4])
def test_any_number_of_processes_trains_the_same(
    forge: Forge, unrounded: Path, tmp_path: Path, accumulation: int, order: str
) -> None:
    sets = (f"train.accumulation={accumulation}", f"data.order={order}")
    one = trained(forge, unrounded, tmp_path / "one", 1, *sets)
    for ranks in (2, 4):
        assert_close_run(one, trained(forge, unrounded, tmp_path / f"{ranks}", ranks, *sets))


@pytest.mark.torture
def test_three_processes_train_the_same(forge: Forge, spec: Path, tmp_path: Path) -> None:
    sets = ("train.batch_tokens=192", "train.batch_schedule=[]", "train.accumulation=2")
    one = trained(forge, spec, tmp_path / "one", 1, *sets)
    assert_close_run(one, trained(forge, spec, tmp_path / "three", 3, *sets))


@pytest.mark.torture
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("steps", [3, 13, 20])
def test_killed_at_any_stage_and_resumed_ends_with_the_same_bits(
    forge: Forge, spec: Path, tmp_path: Path, rank: int, steps: int
) -> None:
    straight = trained(forge, spec, tmp_path / "straight", 2)
    folder = tmp_path / "run"
    faults = {rank: Fault("Trainer._advance", steps, 300)}
    ended = forge.run_ranks(["train", spec, "-o", folder], tmp_path / "out", 2, faults)
    assert [one.code for one in ended] == [-signal.SIGKILL if n == rank else PEER_GONE for n in range(2)]
    resumed = forge.run_ranks(["train", "--resume", folder], tmp_path / "out", 2)
    assert resumed[0].code == 0, resumed[0].said
    assert_same_run(straight, folder)


@pytest.mark.torture
def test_stopped_by_a_signal_to_one_process_and_resumed_by_another_number(
    forge: Forge, spec: Path, tmp_path: Path
) -> None:
    folder, words = tmp_path / "run", ["train", spec, "-o", tmp_path / "run"]
    for ranks, steps, rank in ((2, 4, 1), (1, 9, 0), (4, 15, 2), (2, 19, 0)):
        fault = {rank: Fault("Trainer._advance", steps - last_step(folder) - 1, 50, signals=(signal.SIGTERM,))}
        sets = ["--set", "train.accumulation=4"] if not last_step(folder) else []
        ended = forge.run_ranks([*words, *sets], tmp_path / "out", ranks, fault)
        assert [one.code for one in ended] == [130] * ranks, [one.said for one in ended]
        assert last_step(folder) == steps
        words = ["train", "--resume", folder]
    assert forge.run(words, tmp_path / "out").code == 0
    straight = trained(forge, spec, tmp_path / "four", 1, "train.accumulation=4")
    assert_close_run(straight, folder)


@pytest.mark.torture
def test_the_clock_stops_all_processes_at_one_step(forge: Forge, spec: Path, tmp_path: Path) -> None:
    sets = ("train.stop={seconds: 0.5}", "train.schedule={clock: seconds, warmdown_seconds: 0.3}")
    folder = trained(forge, spec, tmp_path / "run", 2, *sets)
    stages = [record["stage"] for record in records_of(folder)]
    assert stages.count("main") > 1 and stages[-4:] == ["distill"] * 4
