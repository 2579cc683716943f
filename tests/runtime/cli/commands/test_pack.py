"""What `pack` refuses before it reads checkpoint or data: in a folder that holds no more than a run's spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopspec.compiler import load_plan
from loopspec.compiler.source.canonical import resolved_yaml
from loopspec.compiler.source.shipped import shipped_specs


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of quickstart, without a checkpoint."""
    return run_of(tmp_path, [])


def run_of(folder: Path, sets: list[str]) -> Path:
    (folder / "run" / "checkpoints").mkdir(parents=True)
    plan = load_plan(shipped_specs()["quickstart.yaml"], sets)
    (folder / "run" / "spec.yaml").write_text(resolved_yaml(plan.spec.plain))
    return folder / "run"


@pytest.mark.parametrize("given", ["0", "-5", "999", "1" + 20 * "0", "360k", "360_000", "1e6", " 360000", "٣٦٠٠٠٠", ""])
def test_a_budget_that_is_none_is_wrong_usage(cli, given):
    result = cli("pack", "nosuch", f"--budget={given}")
    assert (result.code, result.out) == (2, "")
    assert "error: argument --budget: " in result.err


def test_a_folder_without_a_run(cli, tmp_path):
    result = cli("pack", "nosuch")
    assert result.code == 1
    said = "nosuch holds no run to pack: there is no nosuch/spec.yaml; check the path"
    assert result.err == f"loopspec: {said}\n" and not (tmp_path / "nosuch").exists()


OWN = ["spec.yaml", "metrics.jsonl", "measured_sizes.json", "lock", "checkpoints/latest", "checkpoints/../model.py"]


@pytest.mark.parametrize("name", OWN)
def test_no_file_of_a_run_is_written_over(cli, run, tmp_path, name):
    (tmp_path / "other").symlink_to(run)
    (tmp_path / "link").symlink_to(run / name)
    for output in (f"run/{name}", f"other/{name}", "link"):
        result = cli("pack", "run", "-o", output)
        assert result.code == 1
        assert result.err == f"loopspec: {output} is a file that a run needs, and would be lost; name another with -o\n"
    (tmp_path / "third").mkdir()
    (tmp_path / "third" / "spec.yaml").touch()
    assert cli("pack", "third", "-o", f"run/{name}").err == result.err.replace("link", f"run/{name}")  # another's


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--like", "nosuch.yaml"], "--like nosuch.yaml: 1 error"),
        (["--like", "tied15l"], "hint: check the path; did you mean `tied-15l`?"),
        (["--like", "broken.yaml"], "--like broken.yaml: 1 error"),
        (["--solve", "k"], "quickstart has stores of kind rate_distortion, which fill the budget: no --solve"),
        (["--budget", "81000"], "a budget of 81,000 bytes cannot be met: at the coarsest steps artifact and 80,000 "),
        (["--like", "silent.yaml", "--solve", "k"], "silent.yaml says nothing of quantization: the default policy"),
        (["-o", "nowhere/x"], "nowhere/x: nowhere is no folder; make it, or choose another"),
    ],
)
def test_refused_before_the_checkpoint_is_looked_for(cli, run, tmp_path, words, said):
    (tmp_path / "broken.yaml").write_text("name: [")
    (tmp_path / "silent.yaml").write_text("name: silent\n")
    result = cli("pack", "run", *words)
    assert (result.code, result.out) == (1, "") and said in result.err
    assert "checkpoint" not in result.err and "repacked" not in result.err


def test_a_shipped_spec_gives_its_policy(cli, run):
    result = cli("pack", "run", "--like", "tied-15l")
    assert result.err.endswith("run/checkpoints has no checkpoint; train first, or resume the run\n")


def test_a_knob_that_no_rule_has_and_a_margin_that_none_uses(cli, tmp_path):
    rule = "{match: {matrix: true}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}}}"
    (tmp_path / "absmax.yaml").write_text(f"quantization: {{rules: [{rule}, {{scheme: {{kind: float16}}}}]}}\n")
    run_of(tmp_path, ["budget.margin=500"])
    result = cli("pack", "run", "--like", "absmax.yaml", "--solve", "k")
    assert (
        result.err == "loopspec: no rule of quickstart has the knob k: it turns clips of kind std and sensitivity_std\n"
    )
    result = cli("pack", "run", "--like", "absmax.yaml", "--solve", "bits")
    told, last = result.err.splitlines()
    assert told == "budget.margin of 500 bytes is left out: no scheme of this policy fits itself to the budget"
    assert "has no checkpoint" in last
