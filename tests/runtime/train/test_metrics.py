"""The metrics log across resumes and kills."""

from pathlib import Path

import pytest

from loopspec.runtime.train.errors import MetricsError
from loopspec.runtime.train.metrics import MetricsLog, read_records


def write(path: Path, steps: range, resumed_step: int = 0) -> None:
    with MetricsLog(path, resumed_step) as log:
        for step in steps:
            log.append("train", step, {"loss": step / 7})


def test_resumed_log_reads_as_if_never_stopped(tmp_path: Path) -> None:
    write(tmp_path / "straight", range(1, 11))
    write(tmp_path / "stopped", range(1, 8))
    with (tmp_path / "stopped").open("a") as file:
        file.write('{"kind": "train", "step": 8, "lo')  # torn by a kill
    write(tmp_path / "stopped", range(6, 11), resumed_step=5)
    assert (tmp_path / "stopped").read_bytes() == (tmp_path / "straight").read_bytes()


def test_flushed_records_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "log", 0) as log:
        log.append("validation", 4, {"bits_per_byte": 2.0})
        log.flush()
        assert read_records(tmp_path / "log") == [{"kind": "validation", "step": 4, "bits_per_byte": 2.0}]


@pytest.mark.parametrize(("line", "fault"), [("not json", "not JSON"), ("[1]", "integer `step`"), ("{}", "integer")])
def test_foreign_lines_are_named(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "log"
    path.write_text(f'{{"kind": "train", "step": 1}}\n{line}\n')
    with pytest.raises(MetricsError, match=rf"log:2: .*{fault}"):
        MetricsLog(path, 1)
    assert path.read_text().endswith(f"{line}\n")  # nothing was thrown away


def test_nan_is_not_written(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "log", 0) as log, pytest.raises(ValueError, match="not JSON compliant"):
        log.append("train", 1, {"loss": float("nan")})
