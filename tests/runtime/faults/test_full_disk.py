"""A disk that fills up: the checkpoint before stays whole, and one message says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.forge import Fault, Forge
from support.recipe_run import assert_same_run, last_checkpoint, last_step


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    forge: Forge, spec: Path, straight: Path, tmp_path: Path
) -> None:
    """Too little room for a checkpoint, enough for the metrics: the run goes on, and its end is an error."""
    folder = tmp_path / "run"
    fault = Fault("Trainer._advance", 15, file_bytes=20_000)
    ended = forge.run(["train", spec, "-o", folder], tmp_path / "out", fault)
    assert ended.code == 1, ended.said
    assert "Traceback" not in ended.said
    assert ended.said.count("checkpoint after step 16 cannot be written (File too large); going on;") == 1
    assert ended.said.count("\nloopspec: ") == 1
    last = ended.said.splitlines()[-1]
    kept = folder / "checkpoints" / "step-000000015.ckpt"
    assert last == (
        "loopspec: checkpoint after step 22 cannot be written (File too large); make room and resume; "
        f"last good checkpoint: {kept}"
    )
    assert last_step(folder) == 15
    last_checkpoint(folder)
    assert not list(folder.rglob("*.partial"))
    assert forge.run(["train", "--resume", folder], tmp_path / "out").code == 0
    assert_same_run(straight, folder)


@pytest.mark.torture
def test_metrics_that_cannot_be_written_end_the_run_with_one_message(
    forge: Forge, spec: Path, straight: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    fault = Fault("Trainer._advance", 6, file_bytes=2_500)
    ended = forge.run(["train", spec, "-o", folder], tmp_path / "out", fault)
    assert ended.code != 0
    assert "Traceback" not in ended.said
    assert ended.said.count("\nloopspec: ") == 1
    last = ended.said.splitlines()[-1]
    assert f"{folder}/metrics.jsonl cannot be written (File too large)" in last
    assert 1 <= last_step(folder) <= 12
    assert forge.run(["train", "--resume", folder], tmp_path / "out").code == 0
    assert_same_run(straight, folder)
