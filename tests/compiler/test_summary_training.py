"""What a plan says of averages and of steps on rounded weights."""

from __future__ import annotations

from typing import Any

from support.small_specs import plan_of, small

from loopspec.compiler.summary import plan_text
from loopspec.compiler.summary_training import averaging_lines, quantization_aware_lines

TRAIN = {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 1000}, "schedule": {"warmdown_steps": 500}}


def lines(**changes: Any) -> list[str]:
    plan = plan_of(small(train=TRAIN | changes))
    found = [*averaging_lines(plan.spec), *quantization_aware_lines(plan)]
    assert "\n".join(["training", *found]) + "\n" in plan_text(plan)
    return found


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
