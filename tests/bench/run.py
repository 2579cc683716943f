"""Speed on the CPU, as ratios measured within one run, so that the figures hold on a busy machine and on another one.

    python tests/bench/run.py [--quick] [--threads N] [--folder FOLDER]

Each figure is the median over interleaved repeats after a warm-up, with its quartiles. Nothing here passes or fails by
time; what must hold is that the emitted module and the plain one beside it compute the same loss.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from timing import Samples, Spread, interleave, ratios, user_seconds

SPEC = Path(__file__).parents[2] / "specs" / "quickstart.yaml"
LENGTH = 256
FRESH_PROCESSES = 10


class Row(NamedTuple):
    """One line of the table; `form` formats its figures."""

    what: str
    samples: Samples
    form: str
    note: str


def main() -> None:
    """Measures and prints one row after the other."""
    arguments = _arguments()
    # Both are read when torch is imported; threads that spin would take the cores from each other.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, threads {arguments.threads}", end="")
    print(f", {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"\n{'':44} {'median':>8} {'quartiles':>17}")
    for rows in (race_rows(arguments.quick), share_rows(arguments.quick, arguments.folder), validate_rows()):
        for row in rows:
            spread = Spread.of(row.samples)
            median, low, high = (format(value, row.form) for value in (spread.median, spread.low, spread.high))
            print(f"{row.what:44} {median:>8} {low:>8} {high:>8}  {row.note}", flush=True)


def race_rows(quick: bool) -> Iterator[Row]:
    """Emitted modules against plain ones."""
    from race import races

    repeats, batch = (5, 4) if quick else (25, 8)
    for race in races(batch, LENGTH):
        for mode in race.modes:
            race.check(mode)
            note = "plain time / emitted time, goal >= 1.0"
            yield Row(f"forward+backward, {race.name}, {mode}", race.ratio(mode, repeats), ".3f", note)


def share_rows(quick: bool, folder: Path) -> Iterator[Row]:
    """Where a step of quickstart goes."""
    from step_shares import StepShares

    with tempfile.TemporaryDirectory(dir=folder, prefix="loopspec-bench-") as checkpoints:
        shares = StepShares(SPEC, Path(checkpoints))
        every = shares.plan.spec.train.checkpoint_every
        for name, samples in shares.measure(5 if quick else 25).items():
            note = f"of a step, one every {every} steps" if name == "checkpoint" else "of a step"
            yield Row(f"{name}, quickstart", samples, ".3%", note)


def validate_rows() -> Iterator[Row]:
    """`loopspec validate` in a fresh process."""
    validate = [sys.executable, "-m", "loopspec.runtime.cli", "validate", str(SPEC)]
    empty = [sys.executable, "-c", "pass"]
    contenders = {"validate": partial(user_seconds, validate), "empty": partial(user_seconds, empty)}
    seconds = interleave(contenders, FRESH_PROCESSES)
    yield Row("validate quickstart", [1000 * value for value in seconds["validate"]], ".0f", "ms of user CPU")
    yield Row("validate quickstart", ratios(seconds["validate"], seconds["empty"]), ".1f", "times an empty script")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five repeats and smaller batches: under a minute")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    help_text = "where the checkpoints go for a moment (default: the system's temporary folder)"
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help=help_text)
    return parser.parse_args()


if __name__ == "__main__":
    main()
