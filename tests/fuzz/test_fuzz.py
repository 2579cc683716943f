"""A slice of the fuzzing: what was ever found, and some hundred new inputs; `make fuzz` does millions."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random

import pytest
from fuzz.engine import Guard, Target, check_all, explore, minimized, saved

SLICE = {"artifact_reader": 100, "codes": 30, "front_end": 20}


def target_of(name: str) -> Target:
    return import_module(f"fuzz.{name}").TARGET


@pytest.mark.parametrize("name", SLICE)
def test_inputs_that_once_showed_something(name, tmp_path):
    guard = check_all(target_of(name), saved(name), tmp_path)
    assert guard.causes == {}


@pytest.mark.parametrize("name", SLICE)
def test_mutants_of_seeds(name, tmp_path):
    target, rng = target_of(name), Random(name)
    seeds = target.seeds()
    guard = check_all(target, [target.mutate(rng.choice(seeds), rng) for _ in range(SLICE[name])], tmp_path)
    assert guard.causes == {}
    assert len(guard.outcomes) > 5 and guard.accepted > 0, "the mutants only test the front door"


def faulty(tmp_path: Path, limit: float = 5.0) -> Guard:
    """A guard of a target that fails on every input with an x, and never ends on one with an h."""

    def run(data: bytes) -> str:
        while b"h" in data:
            pass
        if b"x" in data:
            raise KeyError("x")
        return str(len(data) % 3)

    def mutate(data: bytes, rng: Random) -> bytes:
        return data + rng.choice([b"a", b"b", b"x"])

    target = Target("faulty", run, mutate, lambda: [b"", b"aaa"], ".bin", seconds=limit, memory=2**30)
    return Guard(target, tmp_path / "found", reported=float("inf"))


def test_the_shortest_input_of_a_fault_is_kept_and_the_loop_goes_on(tmp_path):
    guard = faulty(tmp_path)
    explore(guard, 300, Random(1))
    assert guard.count == 300 and next(iter(guard.causes.values())) > 10
    (kept,) = (tmp_path / "found").glob("*.bin")
    assert kept.read_bytes() == b"x"
    assert "KeyError" in kept.with_suffix(".txt").read_text()
    assert minimized(guard.target, b"aabxbbax") == b"x"


def test_a_hang_is_found(tmp_path):
    guard = faulty(tmp_path, limit=0.05)
    check_all(guard.target, [b"a", b"h"], tmp_path / "found")
    (kept,) = (tmp_path / "found").glob("*.bin")
    assert kept.read_bytes() == b"h"
