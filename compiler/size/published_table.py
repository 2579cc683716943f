"""The fitted table of published runs, and predictions by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .factors import Factor
from .published import PublishedRun, base_bytes, cells, policy_class


@dataclass(frozen=True, slots=True)
class CellFactor:
    """Bytes over `base_bytes` in one cell; `pull_requests`: how many it was fitted on."""

    factor: Factor
    pull_requests: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """Bytes of a model file with a 95 % interval; the class of its run, and the cell of the table that it is from."""

    low: float
    predicted: float
    high: float
    policy_class: str
    cell: str


Table = Mapping[str, CellFactor]


def predict_published(run: PublishedRun, table: Table) -> Prediction:
    """The prediction by the narrowest cell that the table has.

    Raises:
        KeyError: the table lacks every cell of the run; the committed one never does.
    """
    cell = next((name for name in cells(run) if name in table), None)
    if cell is None:
        raise KeyError(f"none of {' | '.join(cells(run))} in the table; fit it on more runs")
    factor, base = table[cell].factor, base_bytes(run)
    return Prediction(base * factor.low, base * factor.predicted, base * factor.high, policy_class(run), cell)


@cache
def published_table() -> Table:
    """The committed table, which `tests/bench/size_prediction.py --fit` writes."""
    text = files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    return table_of(json.loads(text))


def table_of(plain: Mapping[str, Mapping[str, float]]) -> Table:
    """The table in a JSON object."""
    return {
        name: CellFactor(Factor(row["low"], row["predicted"], row["high"]), int(row["pull_requests"]))
        for name, row in plain.items()
    }
