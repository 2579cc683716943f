"""`pack` killed anywhere: the artifact that was there, or the whole new one, and nothing else that opens as one."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.forge import TESTS, Ended, Fault, Forge
from support.recipe_run import write_recipe

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import ArtifactError, build_artifact, read_artifact

KILLED = (-signal.SIGKILL, -signal.SIGALRM)
FITTED = """\
quantization:
  rules: [{match: {matrix: true}, scheme: {kind: rate_distortion}}, {scheme: {kind: float16}}]
  codec: {kind: rans}
  calibration: {tokens: 256}
"""
BUDGET = 8000
WRITING_EVENTS = 22  # of one atomic write, a few less than there are
EVENTS = 3000  # of a whole pack, a few less
SECONDS = 0.4


@dataclass(frozen=True)
class Packable:
    """A run, another artifact, and the run's own.

    Attributes:
        words: of the command that packs the run, but for the output.
    """

    words: Sequence[str | Path]
    old: bytes
    new: bytes


@pytest.fixture(scope="module")
def packable(forge: Forge, tmp_path_factory: pytest.TempPathFactory) -> Packable:
    folder = tmp_path_factory.mktemp("packable")
    spec = write_recipe(folder, rounded=False)
    spec.write_text(re.sub(r"^quantization:.*\n", FITTED, spec.read_text(), flags=re.MULTILINE))
    short = ["train.stop.steps=2", "train.schedule={}", "train.batch_schedule=[]", "train.finish=[]"]
    done(forge.run(["train", spec, "-o", folder / "run", *(f"--set={each}" for each in short)], folder / "out"))
    words = ["pack", folder / "run", "--budget", str(BUDGET)]
    done(forge.run([*words, "-o", folder / "new"], folder / "out"))
    contents = replace(read_artifact(folder / "new"), provenance={"run": "another"})
    return Packable(words, build_artifact(contents, Codec("rans"))[0], (folder / "new").read_bytes())


def done(ended: Ended) -> None:
    assert ended.code == 0, ended.said


def strike(forge: Forge, packable: Packable, folder: Path, fault: Fault, *, before: bool) -> tuple[Ended, bool]:
    """Packs into the folder under a fault, and checks what is there; whether the new artifact is."""
    folder.mkdir()
    path = folder / "a.loopspec"
    if before:
        path.write_bytes(packable.old)
    ended = forge.run([*packable.words, "-o", path], folder.with_suffix(".out"), fault)
    if before or path.exists():
        assert path.read_bytes() in (packable.old, packable.new) if before else path.read_bytes() == packable.new
    for file in folder.iterdir():
        whole = file.read_bytes() in (packable.old, packable.new)
        if not whole:
            with pytest.raises(ArtifactError):
                read_artifact(file)
    return ended, path.exists() and path.read_bytes() == packable.new


def test_killed_while_it_writes(forge: Forge, packable: Packable, tmp_path: Path) -> None:
    """Before the file is made, when it is written, and when it has its name."""
    seen = []
    for number, nth in enumerate((2, WRITING_EVENTS * 2 // 3, WRITING_EVENTS)):
        fault = Fault("write_atomically", nth=nth, within="write_atomically")
        ended, new = strike(forge, packable, tmp_path / str(number), fault, before=number > 0)
        assert ended.code == -signal.SIGKILL, ended.said
        seen.append(new)
    assert seen[:2] == [False, False]


def test_ctrl_c_leaves_the_artifact_that_was_there(forge: Forge, packable: Packable, tmp_path: Path) -> None:
    fault = Fault("allocate", nth=200, signals=(signal.SIGINT,))
    ended, new = strike(forge, packable, tmp_path / "a", fault, before=True)
    assert ended.code == 130
    assert ended.said.splitlines()[-1] == "loopspec: interrupted"
    assert "Traceback" not in ended.said
    assert not new and [file.name for file in (tmp_path / "a").iterdir()] == ["a.loopspec"]


@pytest.mark.torture
def test_killed_a_hundred_times(forge: Forge, packable: Packable, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    counts = {"writing": 0, "event": 0, "time": 0, "new": 0}
    for number in range(100):
        how = draw.choice(("writing", "event", "time"))
        fault = {
            "writing": Fault("write_atomically", nth=draw.randint(1, WRITING_EVENTS), within="write_atomically"),
            "event": Fault(nth=draw.randint(1, EVENTS)),
            "time": Fault("allocate", seconds=draw.uniform(1e-3, SECONDS)),
        }[how]
        ended, new = strike(forge, packable, tmp_path / str(number), fault, before=draw.random() < 0.5)
        assert ended.code in KILLED or how == "time", f"{fault}: {ended}"
        counts[how] += ended.code in KILLED
        counts["new"] += new
    print(counts)
    assert counts["writing"] + counts["event"] + counts["time"] >= 70 and counts["writing"] >= 15


@pytest.mark.torture
def test_a_signal_anywhere_says_so_and_leaves_nothing_half_written(
    forge: Forge, packable: Packable, tmp_path: Path
) -> None:
    draw = random.Random(5)
    writing = [Fault("write_atomically", nth=nth, signals=(signal.SIGINT,)) for nth in range(1, WRITING_EVENTS)]
    others = [Fault(nth=draw.randint(50, EVENTS), signals=(signal.SIGINT,)) for _ in range(20)]
    for number, fault in enumerate([*writing, *others]):
        folder = tmp_path / str(number)
        ended, _ = strike(forge, packable, folder, fault, before=number % 2 == 0)
        assert ended.code == 130, f"{fault}: {ended}"
        assert ended.said.splitlines()[-1] == "loopspec: interrupted" and "Traceback" not in ended.said
        assert not [file for file in folder.iterdir() if file.name != "a.loopspec"], fault


@pytest.mark.torture
def test_a_full_disk_leaves_the_artifact_that_was_there(forge: Forge, packable: Packable, tmp_path: Path) -> None:
    fault = Fault("write_atomically", file_bytes=3000)
    ended, new = strike(forge, packable, tmp_path / "a", fault, before=True)
    assert ended.code == 1 and not new, ended.said
    assert "a.loopspec: cannot be written" in ended.said.splitlines()[-1] and "Traceback" not in ended.said
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["a.loopspec"]


@pytest.mark.torture
def test_the_same_bytes_in_processes_of_their_own(packable: Packable, tmp_path: Path) -> None:
    path = f"{TESTS}:{TESTS / '_dev'}"
    for number, seed in enumerate(("1", "2")):
        file = tmp_path / str(number)
        command = [sys.executable, "-m", "loopspec.runtime.cli", *map(str, packable.words), "-o", str(file)]
        environment = {"PYTHONPATH": path, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
        assert file.read_bytes() == packable.new
