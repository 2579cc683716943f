"""The table at the end of a run."""

from __future__ import annotations

from dataclasses import replace

from loopspec.runtime.pipeline.report import Report, report_text

SIZES = ("limit", "predicted", "low", "high", "code", "artifact", "total", "margin")
REPORT = Report(
    spec="tiny",
    parameters=1,
    training_only_parameters=0,
    effective_parameters=2,
    size={f"{name}_bytes": 3 for name in SIZES},
    scores={"stop": 1.5, "average": None, "artifact": 1.75, "artifact_non_overlapping": 1.875},
    yardsticks={},
    seconds={},
    peak_memory_bytes=3 * 2**20,
    flops=123_456_000,
    training={"step": 4400, "quantization_aware_steps": None, "stages": {"main": 4400}},
    artifact={},
)


def test_parameters_of_training_alone_have_a_row_where_there_are_any() -> None:
    assert "parameters of training" not in report_text(REPORT)
    both = report_text(replace(REPORT, parameters=1000, training_only_parameters=2345)).splitlines()
    assert any(line.split() == ["parameters", "stored", "1,000", "in", "the", "artifact"] for line in both)
    assert any(line.split()[:4] == ["parameters", "of", "training", "2,345"] for line in both)


def test_quantization_aware_steps_have_a_row_where_they_are_declared() -> None:
    assert "quantization-aware" not in report_text(REPORT)
    aware = report_text(replace(REPORT, training=REPORT.training | {"quantization_aware_steps": 524}))
    assert any(line.split() == ["quantization-aware", "steps", "524", "of", "4,400"] for line in aware.splitlines())


def test_what_followed_training_has_a_row_each() -> None:
    assert " steps" not in report_text(REPORT)
    stages = {"main": 4150, "replay": 200, "distill": 50}
    lines = [
        line.split()
        for line in report_text(replace(REPORT, training=REPORT.training | {"stages": stages})).splitlines()
    ]
    assert ["replay", "steps", "200", "of", "4,400"] in lines and ["distill", "steps", "50", "of", "4,400"] in lines


def test_scores_and_costs() -> None:
    lines = [" ".join(line.split()) for line in report_text(REPORT).splitlines()]
    assert max(map(len, report_text(REPORT).splitlines())) <= 80
    for line in (
        "BPB of the artifact 1.7500 the file, opened in a fresh process",
        "BPB, windows apart 1.8750 the same file, every token in one window",
        "quantization gap 0.2500 artifact minus what it was packed from",
        "peak memory, MiB 3 of training",
        "FLOPs of training 1.23e+08",
    ):
        assert line in lines
