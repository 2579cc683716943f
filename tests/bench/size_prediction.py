"""How well compiler/size/published.py predicts the model files of published runs.

    python tests/bench/size_prediction.py CSV               scores the committed table on a CSV
    python tests/bench/size_prediction.py CSV --cross       tables fitted on some pull requests, scored on the others
    python tests/bench/size_prediction.py CSV --fit         writes compiler/size/published.json

The CSV has one run a row, with the columns of tests/golden/size_calibration.csv. Rows of one pull request are alike,
so all of them are on one side of a split, and an interval is fitted on pull requests, not on rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from size_fit import FEWEST, Sample, fit_cell

from loopspec.compiler.size.factors import Factor
from loopspec.compiler.size.published import (
    ANY,
    K_SIGMA,
    PARTLY,
    Clips,
    Groups,
    PublishedRun,
    base_bytes,
    cells,
    is_k_sigma,
)
from loopspec.compiler.size.published_table import (
    CellFactor,
    Prediction,
    Table,
    predict_published,
    published_table,
    table_of,
)

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "compiler" / "size" / "published.json"
FOLDS, ROUNDS = 10, 20
GROUPS = ("n_embed", "n_attn", "n_mlp", "n_other")
MANY = 20  # pull requests of a class that has a line of its own


@dataclass(frozen=True)
class Measured:
    """A run, the pull request it is of, and the bytes of its model file."""

    run: PublishedRun
    pull_request: str
    bytes: int


@dataclass(frozen=True)
class Scored:
    """A measured run and what was predicted of it."""

    measured: Measured
    prediction: Prediction

    @property
    def error(self) -> float:
        """Predicted over measured, less 1."""
        return self.prediction.predicted / self.measured.bytes - 1

    @property
    def span(self) -> tuple[float, float]:
        """The interval's ends over what is predicted."""
        return self.prediction.low / self.prediction.predicted, self.prediction.high / self.prediction.predicted

    @property
    def held(self) -> bool:
        """Whether the interval holds the measured bytes."""
        return self.prediction.low <= self.measured.bytes <= self.prediction.high


Rounds = Sequence[Sequence[Scored]]


def read_runs(path: Path) -> tuple[list[Measured], int]:
    """The runs of a CSV, and how many rows say too little to predict anything: no parameters or no bytes."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    usable = [row for row in rows if _number(row, "params") and _number(row, "model_bytes")]
    return [_measured(row) for row in usable], len(rows) - len(usable)


def _measured(row: Mapping[str, str]) -> Measured:
    bits = {name: _number(row, f"{name}_bits") for name in ("matrix", "embed")}
    run = PublishedRun(
        parameters=int(row["params"]),
        steps=int(_number(row, "steps") or 0),
        policy=row["quant_class"],
        codec=row["codec"],
        matrix_bits=None if bits["matrix"] is None else int(bits["matrix"]),
        embedding_bits=None if bits["embed"] is None else int(bits["embed"]),
        clips=Clips(*(_number(row, f"{name}_clip_k") for name in ("matrix", "attn", "mlp", "embed"))),
        groups=_groups(row),
    )
    # the records that were merged have no number: a folder is one submission
    return Measured(run, row["pr"] or Path(row["path"]).parent.name, int(row["model_bytes"]))


def _groups(row: Mapping[str, str]) -> Groups | None:
    names = (*GROUPS, "vocab", "model_dim", "layers_unique", "heads", "kv_heads", "mlp_hidden")
    found = {name: _number(row, name) for name in names}
    if None in found.values():
        return None
    value = {name: int(number) for name, number in found.items() if number is not None}
    dim, key_rows = value["model_dim"], value["kv_heads"] * value["model_dim"] // value["heads"]
    a_layer = 2 * dim + 2 * key_rows + value["mlp_hidden"] + dim
    rows = value["vocab"] + value["layers_unique"] * a_layer
    return Groups(value["n_embed"], value["n_attn"], value["n_mlp"], value["n_other"], rows)


def _number(row: Mapping[str, str], name: str) -> float | None:
    return float(row[name]) if row.get(name) else None


def fit(runs: Sequence[Measured]) -> Table:
    """A table of every cell that enough pull requests are in, and of those that every run falls back on."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    for item in runs:
        sample = Sample(item.pull_request, math.log(item.bytes / base_bytes(item.run)))
        for name in cells(item.run):
            samples[name].append(sample)
    table = {}
    for name, found in sorted(samples.items()):
        requests = len({sample.pull_request for sample in found})
        if requests >= FEWEST or name == ANY or name.startswith(f"{K_SIGMA},"):
            low, centre, high = (
                math.exp(value) for value in fit_cell(found, closed_form=name.startswith(K_SIGMA) and name != PARTLY)
            )
            table[name] = CellFactor(Factor(low, centre, high), requests)
    return table


def cross_validate(runs: Sequence[Measured], rounds: int = ROUNDS, folds: int = FOLDS) -> list[list[Scored]]:
    """For each round, every run predicted by a table that was fitted without its pull request's fold."""
    requests = sorted({item.pull_request for item in runs})
    found = []
    for number in range(rounds):
        order = random.Random(number).sample(requests, len(requests))
        fold = {request: place % folds for place, request in enumerate(order)}
        scored = []
        for k in range(folds):
            table = fit([item for item in runs if fold[item.pull_request] != k])
            scored += score([item for item in runs if fold[item.pull_request] == k], table)
        found.append(scored)
    return found


def score(runs: Sequence[Measured], table: Table) -> list[Scored]:
    """Each run with its prediction."""
    return [Scored(item, predict_published(item.run, table)) for item in runs]


def report(rounds: Sequence[Sequence[Scored]], *, by_cell: bool = False) -> str:
    """A line for each class or cell, and for all k-sigma rows; `worst` is the least coverage of any round."""
    heading = f"{'class':44} {'rows':>5} {'PRs':>4} {'median':>8} {'p90':>8} {'held':>7} {'worst':>7}  interval"
    groups = [
        *_by_name(rounds, by_cell),
        ("all k-sigma, everything declared", _where(rounds, lambda row: _closed(row) and not _partly(row))),
        ("all k-sigma", _where(rounds, _closed)),
        ("all", _where(rounds, lambda row: True)),
    ]
    return "\n".join([heading, *(_line(name, found) for name, found in groups)])


def _by_name(rounds: Rounds, by_cell: bool) -> list[tuple[str, Rounds]]:
    """Classes of under MANY pull requests are one line."""

    def named(rows: Iterable[Scored]) -> dict[str, list[Scored]]:
        found: dict[str, list[Scored]] = defaultdict(list)
        for row in rows:
            found[row.prediction.cell if by_cell else row.prediction.policy_class].append(row)
        return found

    every = [named(scored) for scored in rounds]
    requests = {name: {row.measured.pull_request for row in rows} for name, rows in every[0].items()}
    many = sorted(name for name, found in requests.items() if by_cell or len(found) >= MANY)
    few = [[row for name, rows in found.items() if name not in many for row in rows] for found in every]
    groups: list[tuple[str, Rounds]] = [(name, [found[name] for found in every]) for name in many]
    return groups + ([] if by_cell else [(f"(classes with under {MANY} pull requests)", few)])


def _where(rounds: Rounds, chosen: Callable[[Scored], bool]) -> Rounds:
    return [[row for row in scored if chosen(row)] for scored in rounds]


def _closed(row: Scored) -> bool:
    return is_k_sigma(row.measured.run)


def _partly(row: Scored) -> bool:
    return row.prediction.policy_class == PARTLY


def _line(name: str, rounds: Rounds) -> str:
    rows = [row for scored in rounds for row in scored]
    if not rows:
        return f"{name:44} {0:5}"
    requests = {row.measured.pull_request for row in rows}
    errors = sorted(abs(row.error) for row in rows)
    shares = [sum(row.held for row in scored) / len(scored) for scored in rounds if scored]
    figures = f"{quantile(errors, 0.5):8.3%} {quantile(errors, 0.9):8.3%}"
    held = f"{sum(row.held for row in rows) / len(rows):7.1%} {min(shares):7.1%}"
    low, high = (sum(ratio) / len(rows) - 1 for ratio in zip(*(row.span for row in rows), strict=True))
    return f"{name:44} {len(rows) // len(rounds):5} {len(requests):4} {figures} {held}  {low:+.2%} {high:+.2%}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of the ordered values do not exceed."""
    return values[max(0, math.ceil(share * len(values)) - 1)]


def write_table(table: Table) -> None:
    """Writes the committed table."""
    plain = {
        name: {
            "low": round(row.factor.low, 5),
            "predicted": round(row.factor.predicted, 5),
            "high": round(row.factor.high, 5),
            "pull_requests": row.pull_requests,
        }
        for name, row in table.items()
    }
    assert table_of(plain).keys() == table.keys()
    TABLE.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    """Fits or scores."""
    parser = argparse.ArgumentParser(description="Predicted against published sizes.")
    parser.add_argument("csv", type=Path)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fit", action="store_true", help="fit the committed table on this CSV")
    what.add_argument("--cross", action="store_true", help="cross-validate on this CSV instead")
    parser.add_argument("--folds", type=int, default=FOLDS, help=f"of --cross; 2 fits on half (default: {FOLDS})")
    parser.add_argument("--cells", action="store_true", help="one line for each cell of the table, not for each class")
    given = parser.parse_args(arguments)
    runs, skipped = read_runs(given.csv)
    if given.fit:
        write_table(fit(runs))
    rounds = cross_validate(runs, folds=given.folds) if given.cross else [score(runs, published_table())]
    print(report(rounds, by_cell=given.cells))
    print(f"{skipped} rows without parameters or bytes left out")


if __name__ == "__main__":
    main(sys.argv[1:])
