"""What a plan says of averages and of steps on rounded weights."""

from __future__ import annotations

from typing import Any

from support.small_specs import plan_of, small, spec_of

from loopspec.compiler.summary import plan_text
from loopspec.compiler.summary_training import averaging_lines, clock_lines, penalty_lines, quantization_aware_lines

TRAIN = {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 1000}, "schedule": {"warmdown_steps": 500}}


def lines(**changes: Any) -> list[str]:
    plan = plan_of(small(train=TRAIN | changes))
    found = [*averaging_lines(plan.spec), *quantization_aware_lines(plan)]
    assert "\n".join(["training", *clock_lines(plan.spec.train), *found]) + "\n" in plan_text(plan)
    return unwrapped(found)


def clocks(**train: Any) -> list[str]:
    return unwrapped(clock_lines(spec_of(small(train=TRAIN | train)).train))


def unwrapped(found: list[str]) -> list[str]:
    """Lines of any width, of lines of at most 80 columns."""
    assert all(len(line) <= 80 for line in found)
    return "\n".join(found).replace("\n    ", " ").splitlines()


def test_clocks_and_batches() -> None:
    assert clocks() == [
        "  ends at 1,000 steps",
        "  learning rate by steps: the last 500 steps down to 0",
        "  batches: 2 sequences of 8 tokens, 16 a step",
    ]
    assert clocks(schedule={}, accumulation=2)[1:] == [
        "  learning rate by steps: constant",
        "  batches: 2 sequences of 8 tokens, 16 a step, in 2 passes",
    ]
    ramp = {"clock": "tokens", "warmup_steps": 20, "hold_steps": 30, "warmdown_tokens": 4000, "floor": 0.1}
    assert clocks(stop={"tokens": 16_000, "seconds": 90.0}, schedule=ramp)[:2] == [
        "  ends at 16,000 tokens or 90 seconds, whichever comes first",
        "  learning rate by tokens: 20 steps up, held for 30 steps at least, the last 4,000 tokens down to 0.1",
    ]
    by_pace = {"clock": "seconds", "warmdown_steps": 500}
    assert clocks(stop={"seconds": 600, "reserve_seconds": 20.5}, schedule=by_pace)[:2] == [
        "  ends at 600 seconds (20.5 of them kept for what follows)",
        "  learning rate by seconds: the last 500 steps at the mean pace so far down to 0",
    ]
    by_time = {"clock": "seconds", "warmdown_seconds": 100.0}
    assert clocks(stop={"seconds": 600}, schedule=by_time)[1] == (
        "  learning rate by seconds: the last 100 seconds down to 0"
    )


def test_a_schedule_of_batches_tells_the_step_of_each() -> None:
    phases = [{"until": {"steps": 100}, "sequence_length": 4}, {"until": {"tokens": 4800}, "batch_tokens": 32}]
    assert clocks(batch_schedule=phases)[2:] == [
        "  from step 0: 4 sequences of 4 tokens, 16 a step",
        "  from step 100: 4 sequences of 8 tokens, 32 a step",
        "  from step 200: 2 sequences of 8 tokens, 16 a step",
    ]


def test_what_the_clock_decides() -> None:
    changes: dict[str, Any] = {
        "stop": {"seconds": 60},
        "schedule": {"clock": "seconds", "warmdown_seconds": 20},
        "averages": {"swa": {"kind": "swa", "every": 5, "start": {"lr_scale": 0.5}}, "ema": {"kind": "ema"}},
        "load": "swa",
        "quantization_aware": {"start": {"lr_scale": 0.15}},
    }
    assert lines(**changes) == [
        "  scored and packed: average swa",
        "  average swa: mean of snapshots, one every 5 steps from a step on that the clock tells",
        "  average ema: ema 0.997, a share of the initial weights divided out; not kept, nothing loads it",
        "  quantization-aware: from a step on that the clock tells, on 13 rounded stores",
    ]


def test_rules_of_decay_are_said() -> None:
    rules = [{"match": {"ndim": 1}, "decay": 0.9}]
    ema = {"ema": {"kind": "ema", "decays": rules}}
    assert lines(averages=ema, load="ema")[1] == (
        "  average ema: ema 0.997 (0.9 for ndim 1), 5% of the initial weights divided out"
    )


def test_no_average() -> None:
    assert lines() == ["  scored and packed: the last weights"]


def test_averages() -> None:
    averages = {
        "slow": {"kind": "ema", "decay": 0.997},
        "biased": {"kind": "ema", "decay": 0.99, "debias": False, "start_step": 500},
        "swa": {"kind": "swa", "every": 50, "start": {"lr_scale": 0.2}},
        "never": {"kind": "swa", "start": {"step": 1000}},
    }
    assert lines(averages=averages, load="slow") == [
        "  scored and packed: average slow",
        "  average slow: ema 0.997, 5% of the initial weights divided out",
        "  average biased: ema 0.99, 0.66% of the weights after step 500 left in it; not kept, nothing loads it",
        "  average swa: mean of 2 snapshots, one every 50 steps from step 901 on; not kept, nothing loads it",
        "  average never: mean of 0 snapshots, never begins; not kept, nothing loads it",
    ]


def test_quantization_aware_steps() -> None:
    late = {"quantization_aware": {"start": {"lr_scale": 0.15}}}
    assert lines(**late)[1:] == ["  quantization-aware: steps 926 to 999 (74), on 13 rounded stores"]
    never = {"quantization_aware": {"start": {"step": 2000}}}
    assert lines(**never)[1:] == ["  quantization-aware: no step, the start is not reached"]


def test_penalties_are_said() -> None:
    penalties = {"z_loss": 0.001, "nuclear_norm": {"weight": 0.5, "every": 10, "match": {"name": "*.query"}}}
    plan = plan_of(small(train=TRAIN | {"label_smoothing": 0.1, "penalties": penalties}))
    found = penalty_lines(plan)
    count = sum(store.name.endswith(".query") for store in plan.stores)
    assert found == [
        "  label smoothing 0.1, in training steps alone",
        "  z-loss 0.001, in training steps alone",
        f"  nuclear norm: 0.5 off the singular values of {count} stores, every 10 steps",
    ]
    assert "\n".join(found) in plan_text(plan)
    assert penalty_lines(plan_of(small(train=TRAIN))) == []
