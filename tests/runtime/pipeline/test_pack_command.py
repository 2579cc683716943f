"""`pack` on a run that was trained, and what `validate --calibrate` and `train --resume` make of it afterwards."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.recipe_run import last_checkpoint

from loopspec.compiler import load_plan
from loopspec.runtime.cli import main
from loopspec.runtime.train.checkpoint import CheckpointFolder, spec_hash, written_spec_hash

INTEGER = "{kind: integer, bits: 6, clip: {kind: std, k: 12.85}}"
POLICY = f"{{rules: [{{match: {{matrix: true}}, scheme: {INTEGER}}}, {{scheme: {{kind: float16}}}}]}}"
OTHER = POLICY.replace("12.85", "10")
SIZES = "measured_sizes.json"


@pytest.fixture
def run(spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run of two steps on fixed grids, with `other.yaml` beside it, whose k is another."""
    spec.write_text(f"{spec.read_text()}quantization: {POLICY}\n")
    (tmp_path / "other.yaml").write_text(spec.read_text().replace(POLICY, OTHER))
    assert main(["train", str(spec), "-o", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def k_in(path: Path) -> float:
    """Of the first store in a measurement."""
    text = str(next(iter(json.loads(path.read_text())["stores"].values()))["scheme"])
    (found,) = re.findall(r"\bk'?[=:] ?([\d.]+)", text)
    return float(found)


def test_each_artifact_leaves_its_sizes_beside_itself(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Packing by another policy or a knob leaves alone what the run's own policy came to."""
    other, file = tmp_path / "other.yaml", tmp_path / "other.loopspec"
    assert main(["pack", str(run)]) == 0
    own = (run / SIZES).read_bytes()
    assert k_in(run / SIZES) == 12.85
    for words in (["-o", str(file)], []):
        assert main(["pack", str(run), "--like", str(other), *words]) == 0
        assert (run / SIZES).read_bytes() == own
    beside = tmp_path / f"other.loopspec.{SIZES}"
    assert k_in(beside) == 10
    for spec, of in ((tmp_path / "tiny.yaml", run), (other, file), (run / "spec.yaml", run)):
        assert main(["validate", str(spec), "--calibrate", str(of)]) == 0
    assert "changes nothing" not in capsys.readouterr().err
    assert main(["validate", str(other), "--calibrate", str(run)]) == 1
    assert "was measured under " in capsys.readouterr().err
    assert main(["pack", str(run), "--solve", "k", "--budget", "5000", "-o", str(file)]) == 0
    assert (run / SIZES).read_bytes() == own and k_in(beside) not in (10, 12.85)
    said = capsys.readouterr()
    (solved,) = re.findall(r"solved: k of [\d.]+: ([\d,]+) bytes", said.err)
    assert f"{file}: {solved} bytes" in said.out and f"{file.stat().st_size:,}" == solved


def test_a_calibration_that_changes_nothing_says_so(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a run whose stores the budget sized: it measured none."""
    (tmp_path / SIZES).write_text('{"steps": 2, "planned_steps": 2, "stores": {}}')
    assert main(["validate", str(spec), "--calibrate", str(tmp_path)]) == 0
    said = "changes nothing of the prediction for tiny: the budget sets the bytes of its quantized stores"
    assert capsys.readouterr().err == f"{tmp_path} {said}\n"


def test_over_the_budget_on_fixed_grids_the_file_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "over"
    assert main(["pack", str(run), "--budget", "2000", "-o", str(path)]) == 1
    said = capsys.readouterr().out
    assert f"{path}: {path.stat().st_size:,} bytes" in said and ", margin -" in said
    assert main(["verify", str(path)]) == 0


def test_an_artifact_goes_where_a_link_leads(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert main(["pack", str(run), "-o", str(tmp_path / "link")]) == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").is_file()


def test_a_key_that_the_language_got_since_does_not_matter(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The checkpoints were written under the hash of a spec without the key, and go on being."""
    file = run / "spec.yaml"
    without = "\n".join(line for line in file.read_text().splitlines() if "compile:" not in line)
    assert without + "\n" != file.read_text()
    file.write_text(without)
    assert main(["pack", str(run)]) == 0
    # as if the language had no such key when the run began: its checkpoints have the hash of what is written there
    rewrite_hash(run)
    assert main(["pack", str(run)]) == 0
    assert main(["train", "--resume", str(run)]) == 0
    assert "another spec" not in capsys.readouterr().err
    file.write_text(without.replace("steps: 2", "steps: 3"))
    for words in (["pack", str(run)], ["train", "--resume", str(run)]):
        assert main(words) == 1
        assert "belongs to another spec (hash " in capsys.readouterr().err


def rewrite_hash(run: Path) -> None:
    """Gives the checkpoints the hash of spec.yaml as it is."""
    folder, plan = CheckpointFolder(run / "checkpoints", 9), load_plan(run / "spec.yaml")
    path = folder.latest(pytest.fail)
    assert path is not None
    written = written_spec_hash(run / "spec.yaml", plan)
    assert written != spec_hash(plan)
    folder.save(replace(last_checkpoint(run), spec_hash=written))


def test_the_verdict_is_of_the_refined_size(run: Path, spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A budget that the prediction may exceed and the measured sizes do not: no warning."""
    assert main(["pack", str(run)]) == 0
    capsys.readouterr()
    words, calibrate = ["validate", str(spec), "--format", "json"], ["--calibrate", str(run)]
    assert main([*words, *calibrate]) == 0
    budget = 20 + json.loads(capsys.readouterr().out)["budget"]["high_bytes"]  # other digits take other bytes
    found = []
    for more in ([], calibrate):
        assert main([*words, "--set", f"budget.bytes={budget}", *more]) == 0
        found.append([item["code"] for item in json.loads(capsys.readouterr().out)["diagnostics"]])
    assert found == [["LS402"], []]
