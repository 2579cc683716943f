"""What a run ends with: one record, written as report.json and printed as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from ...compiler.plan import Plan


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a whole run. Sizes in bytes, code included where `total` says so; scores in bits per byte.

    Attributes:
        parameters: stored in the artifact.
        training_only_parameters: that only losses of training read; trained, and not in the artifact.
        scores: `stop` (the last weights) and `average` are of float weights; `artifact` and, with windows side by
            side, `artifact_non_overlapping` are of the packed file, opened in a fresh process.
        yardsticks: other compressors on the same validation text.
        seconds: wall-clock by phase; `training` is the training clock, which validation and saving stand outside of.
        peak_memory_bytes: of training: tensors on the GPU, or the whole process on a CPU.
        flops: of training, as the plan counts them.
    """

    spec: str
    parameters: int
    training_only_parameters: int
    effective_parameters: int
    size: dict[str, int]
    scores: dict[str, float | None]
    yardsticks: dict[str, float]
    seconds: dict[str, float]
    peak_memory_bytes: int
    flops: int
    training: dict[str, Any]
    artifact: dict[str, Any]

    def json_text(self) -> str:
        """The record as JSON, keys in a fixed order."""
        return json.dumps(asdict(self), indent=2) + "\n"


def size_record(plan: Plan, artifact_bytes: int) -> dict[str, int]:
    """Predicted and real sizes against the limit."""
    predicted = plan.size
    total = artifact_bytes + predicted.code_bytes
    return {
        "limit_bytes": predicted.limit_bytes,
        "predicted_bytes": predicted.predicted_bytes,
        "low_bytes": predicted.low_bytes,
        "high_bytes": predicted.high_bytes,
        "code_bytes": predicted.code_bytes,
        "artifact_bytes": artifact_bytes,
        "total_bytes": total,
        "margin_bytes": predicted.limit_bytes - total,
    }


def report_text(report: Report) -> str:
    """The table, at most 80 columns wide."""
    size, scores = report.size, report.scores
    rows: list[tuple[str, str, str]] = [
        *_parameters(report),
        ("parameters effective", f"{report.effective_parameters:,}", "each counted once for every use"),
        ("bytes predicted", f"{size['predicted_bytes']:,}", f"{size['low_bytes']:,} to {size['high_bytes']:,}"),
        (
            "bytes real",
            f"{size['total_bytes']:,}",
            f"artifact {size['artifact_bytes']:,} + code {size['code_bytes']:,}",
        ),
        ("bytes margin", f"{size['margin_bytes']:,}", f"limit {size['limit_bytes']:,}"),
        ("BPB at stop", _score(scores["stop"]), "float weights, not the artifact"),
        ("BPB after averaging", _score(scores["average"]), _average_note(scores)),
        ("BPB of the artifact", _score(scores["artifact"]), "the file, opened in a fresh process"),
        ("BPB, windows apart", _score(scores["artifact_non_overlapping"]), "the same file, every token in one window"),
        ("quantization gap", _score(_gap(scores)), "artifact minus what it was packed from"),
    ]
    rows += _counted(report.training)
    rows += [(f"BPB of {name}", _score(value), "same validation text") for name, value in report.yardsticks.items()]
    rows += [(f"seconds: {phase}", f"{value:.1f}", "") for phase, value in report.seconds.items()]
    rows += [
        ("peak memory, MiB", f"{report.peak_memory_bytes / 2**20:,.0f}", "of training"),
        ("FLOPs of training", f"{report.flops:.3g}", ""),
    ]
    width = max(len(row[0]) for row in rows)
    value_width = max(len(row[1]) for row in rows)
    lines = [f"{label:<{width}}  {value:>{value_width}}  {note}".rstrip() for label, value, note in rows]
    return "\n".join([f"{report.spec}", *(f"  {line}" for line in lines)]) + "\n"


def _parameters(report: Report) -> list[tuple[str, str, str]]:
    """Those of the artifact, and where training has parameters of its own, those."""
    only = report.training_only_parameters
    stored = ("parameters stored", f"{report.parameters:,}", "in the artifact" if only else "")
    return [stored, ("parameters of training", f"{only:,}", "further ones, not in the artifact")] if only else [stored]


def _counted(training: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows for what the spec asks for beside plain training: steps on rounded weights, replay, distillation."""
    count = training.get("quantization_aware_steps")
    rows = [] if count is None else [("quantization-aware steps", f"{count:,}", f"of {training['step']:,}")]
    after = {stage: steps for stage, steps in training["stages"].items() if stage != "main"}
    return rows + [(f"{stage} steps", f"{steps:,}", f"of {training['step']:,}") for stage, steps in after.items()]


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _average_note(scores: dict[str, float | None]) -> str:
    return "no average declared" if scores["average"] is None else "float weights, not the artifact"


def _gap(scores: dict[str, float | None]) -> float | None:
    packed = scores["stop"] if scores["average"] is None else scores["average"]
    artifact = scores["artifact"]
    return None if packed is None or artifact is None else artifact - packed
