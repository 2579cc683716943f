"""The CUDA benchmark runs to its end on models that a CPU can take, and its figures hang together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("gpu.py")
ONE_TERAFLOP = ("--peak-tflops", "1")


def run(*arguments: str, cuda: bool = True) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ) if cuda else os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.torture  # twelve seconds
def test_tiny_run_measures_every_mode(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    process = run("--tiny", "--eager-only", "--systems", "micro-crawler", *ONE_TERAFLOP, "--json", str(out))
    assert process.returncode == 0, process.stderr
    assert "attention by aten::_scaled_dot_product_" in process.stdout
    figures = json.loads(out.read_text())
    cases = {case["mode"]: case for case in figures["cases"]}
    assert cases.keys() == {"full", "single"}
    for case in cases.values():
        assert case["sequences"] * case["sequence_length"] * case["micro_batches"] == 256
        assert case["step_seconds"] == pytest.approx(case["micro_batch_seconds"] + case["update_seconds"])
        assert case["tokens_per_second"] == pytest.approx(256 / case["step_seconds"])
        assert case["utilisation"] == pytest.approx(case["tokens_per_second"] * case["flops_per_token"] / 1e12)
        assert case["optimizer_share"] == pytest.approx(case["update_seconds"] / case["step_seconds"])
    assert cases["full"]["flops_per_token"] > cases["single"]["flops_per_token"]
    assert figures["machine"]["command"].endswith(str(out))


@pytest.mark.torture
def test_tiny_run_of_all_systems_compiles_each_mode() -> None:
    process = run("--tiny")
    assert process.returncode == 0, process.stderr
    for case in ("frugendorff-6x2, full", "micro-crawler, full", "micro-crawler, single", "tied-15l, full"):
        for kind in ("eager", "compiled, eager"):
            assert re.search(rf"^{case} +{kind} ", process.stdout, re.MULTILINE), process.stdout


@pytest.mark.torture
def test_published_size_without_cuda_says_what_to_do() -> None:
    process = run(cuda=False)
    assert process.returncode == 1
    assert "torch finds no CUDA device; `make bench` measures on the CPU" in process.stderr
