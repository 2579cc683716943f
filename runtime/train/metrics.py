"""The metrics log: one JSON object a line, appended, in step order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..atomic_file import write_atomically
from .errors import MetricsError


class MetricsLog:
    """Appends records; each has at least `kind` and `step`, the number of optimizer steps completed.

    Opening after a resume removes the records of steps after `resumed_step`, so that the log reads as if the run had
    never stopped.
    """

    def __init__(self, path: Path, resumed_step: int) -> None:
        self.path = path
        if path.exists():
            truncate_after(path, resumed_step)
        self._file = path.open("a", encoding="utf-8")

    def append(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write one record; it reaches the file at the next `flush`.

        Raises:
            MetricsError: see `flush`.
        """
        record = {"kind": kind, "step": step, **values}
        with self._writing():
            self._file.write(json.dumps(record, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Hand what was appended to the operating system.

        Raises:
            MetricsError: it takes no more (a full disk).
        """
        with self._writing():
            self._file.flush()

    def close(self) -> None:
        """Flush and close; raises as `flush`."""
        with self._writing():
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self._file.close()  # what stays in its buffer cannot be written either
            raise MetricsError(f"{self.path} cannot be written ({error.strerror}); make room and resume") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_records(path: Path) -> list[dict[str, Any]]:
    """All records. A last line without its newline was torn by a kill and is left out.

    Raises:
        MetricsError: a whole line is no record.
    """
    *lines, _torn = path.read_text(encoding="utf-8").split("\n")
    return [_parse(line, path, number) for number, line in enumerate(lines, start=1)]


def truncate_after(path: Path, step: int) -> None:
    """Keep the records up to and including `step`, and no torn line."""
    kept = [json.dumps(record) + "\n" for record in read_records(path) if record["step"] <= step]
    write_atomically(path, ["".join(kept).encode()])


def _parse(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise MetricsError(f"{path}:{number}: not JSON ({error.msg}); remove the line to go on") from error
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        raise MetricsError(f"{path}:{number}: a record needs an integer `step`; remove the line to go on")
    return record
