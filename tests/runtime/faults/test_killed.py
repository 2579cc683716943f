"""One run killed many times at random points, inside saving too, ends as the run that was never stopped."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.forge import Fault, Forge
from support.recipe_run import STEPS, assert_same_run, last_step, records_of

KILLED = (-signal.SIGKILL, -signal.SIGALRM)
SAVING = "CheckpointFolder.save"
SAVE_EVENTS = 72  # of the runtime's code in one save, a few less than there are
STEP_EVENTS = 1200  # from the begin of a step to the end of its save, a few less
START_EVENTS = 10_000  # from the command line to the end of the first step after a resume, a few less
OVER_EVENTS = 1500  # from the command line to the end of a resume of what is over, less than there are
STEP_SECONDS = 0.08


@dataclass
class Assassin:
    """Kills a run again and again; how far it lets it come each time spreads the kills over all steps.

    Attributes:
        struck: steps completed at each kill.
        saving: kills inside a save.
    """

    forge: Forge
    spec: Path
    folder: Path
    draw: random.Random

    def __post_init__(self) -> None:
        self.struck: list[int] = []
        self.saving = 0

    def kill(self, times: int) -> None:
        while len(self.struck) < times:
            due = sum(STEPS.values()) * len(self.struck) // times
            steps, total = last_step(self.folder), sum(STEPS.values())
            fault = self.fault(due - steps) if steps <= due else self.early(over=steps == total)
            code, said = self.go(fault)
            assert code in KILLED, f"{fault}: exit code {code}\n{said}"
            self.struck.append(last_step(self.folder))
            self.saving += fault.within is not None
            if self.draw.random() < 0.3 and self.struck[-1] < total:  # what is over saves no more, nor clears up
                self.tear()

    def early(self, *, over: bool) -> Fault:
        """One that strikes before training goes on: timed kills on a quick machine let the run come too far."""
        return Fault(nth=self.draw.randint(1, OVER_EVENTS if over else START_EVENTS // 2))

    def fault(self, steps: int) -> Fault:
        """One that strikes after about so many more steps."""
        how = self.draw.choice(["event", "saving", "time", "start"] if steps == 0 else ["event", "saving", "time"])
        if how == "start":
            return Fault(nth=self.draw.randint(1, START_EVENTS))
        begin = "Trainer._advance"
        if how == "time":
            return Fault(begin, steps, seconds=self.draw.uniform(1e-4, STEP_SECONDS))
        if how == "saving":
            return Fault(begin, steps, self.draw.randint(1, SAVE_EVENTS), within=SAVING)
        return Fault(begin, steps, self.draw.randint(1, STEP_EVENTS))

    def go(self, fault: Fault | None = None) -> tuple[int, str]:
        started = (self.folder / "spec.yaml").exists()
        words = ["--resume", self.folder] if started else [self.spec, "-o", self.folder]
        ended = self.forge.run(["train", *words], self.folder.with_suffix(".out"), fault)
        return ended.code, ended.said

    def tear(self) -> None:
        """What a kill in the midst of a write leaves."""
        metrics, checkpoints = self.folder / "metrics.jsonl", self.folder / "checkpoints"
        if metrics.exists():
            with metrics.open("a", encoding="utf-8") as file:
                file.write('{"kind": "train", "st'[: self.draw.randint(1, 21)])
        if checkpoints.exists():
            (checkpoints / f".step-000000099.ckpt.{self.draw.getrandbits(64):016x}.partial").write_bytes(b"torn")


def murder(forge: Forge, spec: Path, straight: Path, folder: Path, times: int, seed: int) -> Assassin:
    assassin = Assassin(forge, spec, folder, random.Random(seed))
    assassin.kill(times)
    code, said = assassin.go()
    assert code == 0, said
    assert "Traceback" not in said
    assert_same_run(straight, folder)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "latest",
        f"step-{sum(STEPS.values()) - 1:09d}.ckpt",
        f"step-{sum(STEPS.values()):09d}.ckpt",
    ]
    return assassin


def test_the_recipe_runs_every_stage(straight: Path) -> None:
    stages = [record["stage"] for record in records_of(straight)]
    assert stages == [stage for stage, steps in STEPS.items() for _ in range(steps)]


def test_killed_and_resumed_ends_with_the_same_bits(forge: Forge, spec: Path, straight: Path, tmp_path: Path) -> None:
    assassin = murder(forge, spec, straight, tmp_path / "run", times=5, seed=3)
    assert max(assassin.struck) >= STEPS["main"]


@pytest.mark.torture
@pytest.mark.parametrize("nth", [10, 30, 45])
def test_killed_before_it_was_a_run_leaves_the_folder_to_another(
    forge: Forge, spec: Path, tmp_path: Path, nth: int
) -> None:
    words = ["train", spec, "-o", tmp_path / "run"]
    ended = forge.run(words, tmp_path / "out", Fault("write_plan_files", nth=nth, within="write_plan_files"))
    assert ended.code == -signal.SIGKILL
    assert not (tmp_path / "run" / "spec.yaml").exists()
    assert forge.run(words, tmp_path / "out").code == 0


@pytest.mark.torture
def test_killed_two_hundred_times(forge: Forge, spec: Path, straight: Path, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    assassin = murder(forge, spec, straight, tmp_path / "run", times=320, seed=seed)
    assert assassin.saving > 40
    begin = 0
    for steps in STEPS.values():  # every stage was under way at many of them
        assert sum(begin <= step < begin + steps for step in assassin.struck) > 20
        begin += steps


@pytest.mark.torture
def test_a_run_by_the_wall_clock_that_was_killed_can_be_repeated(forge: Forge, spec: Path, tmp_path: Path) -> None:
    killed, again = tmp_path / "killed", tmp_path / "again"
    sets = ["--set", "train.stop={seconds: 1.0}", "--set", "train.schedule={clock: seconds, warmdown_seconds: 0.6}"]
    words = ["train", spec, "-o", killed, *sets]
    for steps in (3, 5, 7):
        ended = forge.run(words, tmp_path / "out", Fault("Trainer._advance", steps, 700))
        assert ended.code == -signal.SIGKILL, ended.said
        words = ["train", "--resume", killed]
    ended = forge.run(words, tmp_path / "out")
    assert ended.code == 0, ended.said
    ended = forge.run(["train", spec, "-o", again, *sets, "--clock-from", killed], tmp_path / "out")
    assert ended.code == 0, ended.said
    assert_same_run(killed, again)
