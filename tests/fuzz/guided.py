"""The coverage-guided loop: atheris (libFuzzer), which calls back for every input and never returns."""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import tempfile
from pathlib import Path
from random import Random
from types import ModuleType

from .engine import Guard, Target


def available() -> bool:
    """Whether atheris is installed."""
    try:
        importlib.import_module("atheris")
    except ImportError:
        return False
    return True


def import_instrumented(name: str) -> ModuleType:
    """A target's module, with the branches of the project counted."""
    import atheris

    os.dup2(os.open(os.devnull, os.O_WRONLY), (kept := os.dup(2)) and 2)  # a line for every module
    try:
        with atheris.instrument_imports(include=["loopspec"]):
            return importlib.import_module(name)
    finally:
        os.dup2(kept, 2)


def explore_guided(guard: Guard, runs: int, seed: int, grown: Path) -> None:
    """Runs `runs` inputs and ends the process; `grown` keeps the inputs that reached something new."""
    import atheris

    target = guard.target
    grown.mkdir(parents=True, exist_ok=True)
    folder = tempfile.TemporaryDirectory()
    seeds = Path(folder.name)
    for number, data in enumerate(target.seeds()):
        (seeds / f"{number:04}").write_bytes(data)

    def one(data: bytes) -> None:
        guard.check(data)
        if guard.count >= runs:
            guard.report()
            sys.stdout.flush()
            atexit._run_exitfuncs()  # libFuzzer takes an exit for a crash
            os._exit(1 if guard.causes else 0)

    def mutate(data: bytes, longest: int, number: int) -> bytes:
        rng = Random(number)
        if rng.random() < 0.1:
            return bytes(atheris.Mutate(data, longest))
        return target.mutate(data, rng)[:longest]

    options = [f"-seed={seed}", f"-max_len={target.longest}", "-len_control=0", "-timeout=600", "-rss_limit_mb=0"]
    options.append("-entropic_scale_per_exec_time=1")  # or the slowest plans take all the time
    quiet = ["-print_pcs=0", "-print_final_stats=0", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, *quiet, str(grown), str(seeds)], one, custom_mutator=mutate)
    atheris.Fuzz()


def target_of(module: ModuleType) -> Target:
    """The target that a module defines."""
    target: Target = module.TARGET
    return target
