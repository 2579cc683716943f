"""First steps of phases and steps by mode, against what a plain count gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loopspec.compiler.spec.cadence import Phase, Sample, Until, build_cadence
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.phase_steps import MOST_COUNTED_DRAWS, end_step, phase_steps, steps_by_mode, trained_modes
from loopspec.compiler.spec.train import Schedule, Train


def make_spec(*cadence: Phase, steps: int = 100, stop: Stop | None = None, **schedule: Any) -> Any:
    train = Train(1, 64, 64, 1, stop or Stop(steps=steps), Schedule(**schedule), {})
    return SimpleNamespace(cadence=cadence, train=train)


@pytest.mark.parametrize(
    ("until", "step"),
    [
        (Until("steps", 7), 7),
        (Until("tokens", 64 * 7), 7),
        (Until("tokens", 64 * 7 + 1), 8),
        (Until("fraction", 0.07), 7),  # 0.07 * 100 is 7.000000000000001
        (Until("fraction", 0.071), 8),
        (Until("fraction", 1), 100),
        (Until("lr_warmdown", 1.0), 5),  # after warm-up, whose multiplier was lower
        (Until("lr_warmdown", 0.5), 80),
        (Until("lr_warmdown", 0.025), 99),
        (Until("lr_warmdown", 0.0), 100),  # the end of training has it, no step
        (Until("seconds", 3.0), None),
        (None, 100),
    ],
)
def test_ends(until: Until | None, step: int | None) -> None:
    assert end_step(until, make_spec(warmup_steps=5, warmdown_steps=40).train) == step


@pytest.mark.parametrize(
    ("until", "step"),
    [
        (Until("steps", 7), 7),
        (Until("tokens", 64 * 7 + 1), 8),
        (Until("fraction", 0.07), 7),  # 0.07 * 6,400 tokens is 448, done before step 7
        (Until("lr_warmdown", 0.5), 80),
        (Until("lr_warmdown", 0.0), 100),
        (None, 100),
    ],
)
def test_ends_by_tokens(until: Until | None, step: int) -> None:
    stop = Stop(tokens=6400)
    assert end_step(until, make_spec(stop=stop, clock="tokens", warmdown_tokens=64 * 40).train) == step


def test_by_seconds_only_steps_and_tokens_are_known_ends() -> None:
    train = make_spec(stop=Stop(seconds=10.0), clock="seconds", warmdown_steps=5).train
    untils = (Until("steps", 7), Until("tokens", 65), Until("fraction", 0.5), Until("lr_warmdown", 0.5), None)
    assert [end_step(until, train) for until in untils] == [7, 2, None, None, None]
    limited = make_spec(stop=Stop(seconds=10.0, steps=50), clock="seconds", warmdown_steps=5).train
    assert [end_step(until, limited) for until in untils] == [7, 2, None, None, 50]


@pytest.mark.parametrize(
    "schedule", [{"warmdown_steps": 0}, {"warmdown_steps": 50, "floor": 0.6}, {"warmup_steps": 200}]
)
def test_a_multiplier_that_never_falls_so_far_is_the_end_of_training(schedule: dict[str, Any]) -> None:
    assert end_step(Until("lr_warmdown", 0.5), make_spec(**schedule).train) == 100


def test_what_comes_after_a_phase_by_the_clock_is_open() -> None:
    cadence = (
        Phase(("a",), Until("steps", 10)),
        Phase(("b",), Until("seconds", 5.0)),
        Phase(("c",), Until("fraction", 0.4)),
        Phase(("d",)),
    )
    spec = make_spec(*cadence)
    found = [(item.first, item.earliest, item.end, item.steps) for item in phase_steps(spec.cadence, spec.train)]
    assert found == [(0, 0, 10, range(10)), (10, 10, None, None), (None, 10, 40, None), (None, 40, 100, None)]
    assert steps_by_mode(spec) is None
    assert trained_modes(spec) == ("a", "b", "c", "d")


def test_steps_by_mode_counts_absolute_steps_and_names_what_never_runs() -> None:
    spec = make_spec(Phase(("a", "b", "c"), Until("steps", 2)), Phase(("a", "a", "b", "d")), steps=7)
    # steps 0 to 6 run a, b, then b, d, a, a, b
    assert steps_by_mode(spec) == {"a": 3, "b": 3, "d": 1, "c": 0}
    assert trained_modes(spec) == ("a", "b", "d")


def test_too_many_draws_are_not_counted() -> None:
    spec = make_spec(Phase(sample=Sample("core", (1, 2), "uniform", None, 2)), steps=MOST_COUNTED_DRAWS + 1)
    assert steps_by_mode(spec) is None
    assert trained_modes(spec) == ("core_1", "full")


def test_build_reads_every_key() -> None:
    plain = {
        "graph": [{"stage": "core", "loops": 4}],
        "cadence": [
            {
                "until": {"tokens": 5},
                "sample": {"stage": "core", "loops": [2, 4], "distribution": "poisson", "mean": 3},
            },
            {"pattern": ["full", "core_2"]},
        ],
    }
    assert build_cadence(plain) == (
        Phase((), Until("tokens", 5), Sample("core", (2, 4), "poisson", 3, 4)),
        Phase(("full", "core_2")),
    )
