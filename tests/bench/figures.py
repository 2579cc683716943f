"""What a benchmark found, for a reader and as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timing import Samples, Spread


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        form: formats a figure; the unit follows it.
        goal: what the figure should be, in words; empty where there is none.
    """

    what: str
    samples: Samples
    form: str
    unit: str
    goal: str = ""
    note: str = ""

    def text(self) -> str:
        """Median, quartiles and what they mean."""
        spread = Spread.of(self.samples)
        shown = [format(value, self.form) for value in (spread.median, spread.low, spread.high)]
        goal = f"goal {self.goal}" if self.goal else ""
        remark = "; ".join(part for part in (self.unit, goal, self.note) if part)
        return f"{self.what:44} {shown[0]:>8} {shown[1]:>8} {shown[2]:>8}  {remark}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        spread = Spread.of(self.samples)
        return {
            "what": self.what,
            "unit": self.unit,
            "median": spread.median,
            "quartiles": [spread.low, spread.high],
            "samples": self.samples,
            "goal": self.goal,
            "note": self.note,
        }


def machine() -> dict[str, Any]:
    """Where and with what this process computes; torch must be set up already."""
    import torch

    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Replaces the file."""
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; all but the first two to the right."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _processor() -> str:
    """The processor's name; platform.processor() is empty on many Linux systems."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
