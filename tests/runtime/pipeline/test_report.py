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
    scores={"stop": 1.5, "average": None, "artifact": 1.75},
    yardsticks={},
    seconds={},
    training={"step": 4400, "quantization_aware_steps": None},
    artifact={},
)


def test_parameters_of_training_alone_have_a_row_where_there_are_any() -> None:
    assert "parameters of training" not in report_text(REPORT)
    both = report_text(replace(REPORT, parameters=1000, training_only_parameters=2345)).splitlines()
    assert any(line.split() == ["parameters", "stored", "1,000", "in", "the", "artifact"] for line in both)
    assert any(line.split()[:4] == ["parameters", "of", "training", "2,345"] for line in both)


def test_quantization_aware_steps_have_a_row_where_they_are_declared() -> None:
    assert "quantization-aware" not in report_text(REPORT)
    aware = report_text(replace(REPORT, training={"step": 4400, "quantization_aware_steps": 524}))
    assert any(line.split() == ["quantization-aware", "steps", "524", "of", "4,400"] for line in aware.splitlines())
