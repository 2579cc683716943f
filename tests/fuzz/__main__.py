"""Fuzzes one target.

    PYTHONPATH=tests python -m fuzz TARGET [--runs N] [--seed N] [--found FOLDER] [--grown FOLDER] [--engine NAME]
    PYTHONPATH=tests python -m fuzz TARGET --minimize FILE

With atheris installed the inputs follow coverage; without it, the ways in which inputs end. Every finding (an escaped
exception, a hang, too much memory) leaves its shortest input and its traceback in a folder. Exit code 1: there are
some. `corpus/open` holds what is found and not mended; with its mend an input moves to the folder of its target.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from random import Random

from .engine import Guard, explore, minimized
from .guided import available, explore_guided, import_instrumented, target_of

RUNS = {"artifact_reader": 2_000_000, "codes": 200_000, "front_end": 200_000}


def main() -> int:
    """Runs the loop that the arguments ask for."""
    arguments = _arguments()
    name = f"fuzz.{arguments.target}"
    guided = arguments.engine == "atheris" and arguments.minimize is None
    target = target_of(import_instrumented(name) if guided else importlib.import_module(name))
    if arguments.minimize is not None:
        arguments.minimize.write_bytes(minimized(target, arguments.minimize.read_bytes()))
        return 0
    guard = Guard(target, arguments.found / target.name)
    guard.limit()
    runs = arguments.runs or RUNS[target.name]
    engine = (
        "atheris, guided by coverage" if guided else "own loop, guided by outcomes; `pip install atheris` for coverage"
    )
    print(f"{target.name}: {runs:,} inputs, seed {arguments.seed}, engine: {engine}", flush=True)
    if guided:
        explore_guided(guard, runs, arguments.seed, arguments.grown / target.name)
    explore(guard, runs, Random(arguments.seed))
    guard.report()
    return 1 if guard.causes else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    engines = ["atheris", "own"]
    parser.add_argument("target", choices=sorted(RUNS))
    parser.add_argument("--runs", type=int, help="inputs; default: " + str(RUNS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=engines, default=engines[0] if available() else engines[1])
    parser.add_argument("--found", type=Path, default=Path("runs/fuzz/found"), help="where findings go")
    parser.add_argument("--grown", type=Path, default=Path("runs/fuzz/grown"), help="where atheris keeps its inputs")
    parser.add_argument("--minimize", type=Path, metavar="FILE", help="instead, shorten this finding in place")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
