"""Packs shipped specs, scaled down, into budgets of all kinds: how far below each its artifact lands.

    python tests/bench/budgets.py [--json FILE]

The cases, and what is asked of each, are those of tests/support/budget_cases.py. Leaves with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "_dev")]

from support.budget_cases import CASES, Case, Outcome, run_case  # noqa: E402

HEAD = f"{'spec':20}{'dim':>5}{'codec':>8}{'weights':>11}{'limit':>11}{'artifact':>11}{'below':>11}{'':>9}{'trials':>8}"


def line(found: Outcome, seconds: float) -> str:
    """One row of the table."""
    case, limit = found.case, found.allocation.limit
    end = "  end of its grids" if found.allocation.landing.at_end else ""
    return (
        f"{case.spec:20}{case.dim:5}{case.codec:>8}{found.weights:11,}{limit:11,}{found.bytes:11,}{found.below:11,}"
        f"{100 * found.below / limit:8.3f}%{found.allocation.landing.trials:8}{seconds:8.1f} s"
        f"{end}{'  MISSED' if found.misses else ''}"
    )


def packed(case: Case) -> Outcome:
    """Packs a case, and prints its row."""
    began = time.process_time()
    found = run_case(case)
    print(line(found, time.process_time() - began), flush=True)
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(HEAD)
    outcomes = [packed(case) for case in CASES]
    missed = [found for found in outcomes if found.misses]
    worst = max((found for found in outcomes if not found.allocation.landing.at_end), key=lambda found: found.below)
    print(
        f"{len(outcomes)} budgets, {len(missed)} missed; farthest below, but for ended grids: {worst.below:,} bytes "
        f"({worst.case})"
    )
    if arguments.json:
        rows = {str(found.case): {"limit": found.allocation.limit, "bytes": found.bytes} for found in outcomes}
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
