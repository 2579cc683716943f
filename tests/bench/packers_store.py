"""The records of a comparison as a file, so that one that was stopped goes on, and tables come without measuring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from packers_measure import Record
from packers_methods import quantizers

MILLIONTH = 1e-6


@dataclass(slots=True)
class Comparison:
    """A comparison and what it was made of.

    Attributes:
        head: the model, and settings that every record shares.
        records: so far.
    """

    head: dict[str, Any]
    records: list[Record]

    @property
    def known(self) -> set[tuple[str, float, int]]:
        """Quantizer, setting and seed of every record."""
        return {(record.quantizer, record.setting, record.seed) for record in self.records}

    @property
    def seeds(self) -> int:
        """Draws of calibration for which all is measured that depends on them."""
        seeded = {name for name, quantizer in quantizers(2).items() if quantizer.seeded}
        most: dict[tuple[str, float], int] = {}
        for record in self.records:
            if record.quantizer in seeded:
                key = (record.quantizer, record.setting)
                most[key] = max(most.get(key, 0), record.seed)
        return min(most.values(), default=0) + 1


def save(comparison: Comparison, path: Path) -> None:
    """Writes head and records, one a line; rises in millionths of a nat."""
    lines = [json.dumps(_plain(record)) for record in comparison.records]
    text = '{"head": ' + json.dumps(comparison.head) + ',\n"records": [\n' + ",\n".join(lines) + "\n]}\n"
    path.write_text(text)


def load(path: Path) -> Comparison:
    """What `save` has written."""
    plain = json.loads(path.read_text())
    return Comparison(plain["head"], [_record(record) for record in plain["records"]])


def begun(path: Path | None, head: dict[str, Any]) -> Comparison:
    """The comparison in a file, to go on with, or a new one.

    Raises:
        SystemExit: the file's is of another model or other settings.
    """
    if path is None or not path.exists():
        return Comparison(head, [])
    found = load(path)
    different = sorted(key for key in head if key != "fixed" and found.head.get(key) != head[key])
    if different:
        raise SystemExit(f"{path}: was measured with another {', '.join(different)}; name another file")
    return Comparison(head, found.records)


def _plain(record: Record) -> dict[str, Any]:
    return {
        "quantizer": record.quantizer,
        "setting": record.setting,
        "seed": record.seed,
        "bytes": record.bytes,
        "rises": _millionths(record.rises),
        "divergences": _millionths(record.divergences),
    }


def _millionths(values: npt.NDArray[np.float64]) -> list[int]:
    return [round(value / MILLIONTH) for value in values.tolist()]


def _record(plain: dict[str, Any]) -> Record:
    rises, divergences = (np.array(plain[key], np.float64) * MILLIONTH for key in ("rises", "divergences"))
    return Record(plain["quantizer"], plain["setting"], plain["seed"], plain["bytes"], rises, divergences)


def ordered(records: Sequence[Record], settings: dict[str, tuple[float, ...]]) -> list[Record]:
    """By quantizer as in `settings`, then setting and seed, in whatever order they came; others are dropped."""
    names = list(settings)
    known = [record for record in records if record.setting in settings.get(record.quantizer, ())]
    return sorted(known, key=lambda each: (names.index(each.quantizer), _place(each, settings), each.seed))


def _place(record: Record, settings: dict[str, tuple[float, ...]]) -> int:
    return settings[record.quantizer].index(record.setting)
