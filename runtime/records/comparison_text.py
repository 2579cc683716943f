"""A comparison as text of at most 79 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ...compiler.source.wording import visible
from .columns import WIDTH, aligned, shortened
from .comparison import LETTERS, Comparison, Section
from .ends import end_rows
from .matching import TrainCell, TrainPoint, ValidationCell, ValidationPoint
from .numbers import CLOCK_NAMES, NONE, on_clock, score
from .readings import Clock

ACROSS = 4  # runs beside each other; more follow in a further table


def comparison_text(comparison: Comparison, differences: Iterable[str]) -> str:
    """Runs, warnings, differences of their specs, a part for each clock, and the ends."""
    lines = [*_runs(comparison), ""]
    for warning in comparison.warnings:
        lines += _wrapped(f"warning: {warning}")
    lines += [*differences, ""]
    told: list[Section] = []
    for section in comparison.sections:
        same = next((other for other in told if _same_records(other, section)), None)
        lines += _section(section, comparison.window, same)
        told.append(section)
    return "\n".join([*lines, *_ends(comparison)]) + "\n"


def _runs(comparison: Comparison) -> list[str]:
    lines = []
    for letter, run in zip(LETTERS, comparison.runs, strict=False):
        about = f"  ({'-' if run.spec is None else visible(run.spec.name)}, {run.state})"
        lines.append(f"{letter}  {shortened(visible(str(run.path)), WIDTH - 3 - min(len(about), 40))}{about}"[:WIDTH])
    return lines


def _same_records(a: Section, b: Section) -> bool:
    """Whether two clocks match the very same records, as they do where every run has as many tokens a step."""
    if not b.train or b.missing != a.missing:
        return False
    return _steps_of(a) == _steps_of(b)


def _steps_of(section: Section) -> list[list[int | None]]:
    """Of every cell."""
    points: list[TrainPoint | ValidationPoint] = [*section.train, *section.validation]
    return [[None if cell is None else cell.position.steps for cell in point.cells] for point in points]


def _section(section: Section, window: int, same: Section | None) -> list[str]:
    name = CLOCK_NAMES[section.clock]
    if same is not None:
        return [*_wrapped(f"at equal {name}: the same records as at equal {CLOCK_NAMES[same.clock]}"), ""]
    lines = [line for text in section.missing for line in _wrapped(f"at equal {name}, {text}")]
    if section.train:
        lines += _train(section, window)
    if section.validation:
        lines += ["", f"validation BPB at equal {name}"]
        lines += _table(
            section.clock, [(p.at, [_validated(section.clock, p.at, c) for c in p.cells]) for p in section.validation]
        )
    return [*lines, ""]


def _train(section: Section, window: int) -> list[str]:
    clock, points = section.clock, section.train
    lines = [f"training loss at equal {CLOCK_NAMES[clock]} (mean of the last {window} records)"]
    lines += _table(clock, [(p.at, [_trained(clock, p.at, cell) for cell in p.cells]) for p in points])
    scales = [(p.at, [_scale(cell) for cell in p.cells]) for p in points]
    if all(len(set(cells)) == 1 for _, cells in scales):
        return [*lines, "learning-rate multiplier: the same in all runs at each point"]
    return [*lines, "", f"learning-rate multiplier at equal {CLOCK_NAMES[clock]}", *_table(clock, scales)]


def _table(clock: Clock, rows: Sequence[tuple[float, Sequence[str]]]) -> list[str]:
    """A row a point; runs beyond ACROSS in further tables."""
    lines: list[str] = []
    for first in range(0, len(rows[0][1]), ACROSS):
        part = slice(first, first + ACROSS)
        letters = LETTERS[: len(rows[0][1])][part]
        body = [
            ("", f"at {CLOCK_NAMES[clock].split()[0]}", *letters),
            *(("", on_clock(clock, at), *cells[part]) for at, cells in rows),
        ]
        lines += aligned(body)
    return lines


def _trained(clock: Clock, point: float, cell: TrainCell | None) -> str:
    return NONE if cell is None else score(cell.loss) + _place(clock, point, cell.position.at(clock))


def _validated(clock: Clock, point: float, cell: ValidationCell | None) -> str:
    return NONE if cell is None else score(cell.bits_per_byte) + _place(clock, point, cell.position.at(clock))


def _place(clock: Clock, point: float, at: float | None) -> str:
    """Where the record is, unless it is at the point itself."""
    assert at is not None
    return "" if at == point else f" @{on_clock(clock, at)}"


def _scale(cell: TrainCell | None) -> str:
    return NONE if cell is None or cell.lr_scale is None else f"{cell.lr_scale:.4g}"


def _ends(comparison: Comparison) -> Iterator[str]:
    """Quantities that some run has; where others lack them a dash stands."""
    rows = [row for row in end_rows(comparison.runs, comparison.window) if any(v is not None for v in row.values)]
    for first in range(0, len(comparison.runs), ACROSS):
        part = slice(first, first + ACROSS)
        letters = LETTERS[: len(comparison.runs)][part]
        yield from aligned([("end", *letters), *((f"{r.label}", *map(r.show, r.values[part])) for r in rows)])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")
