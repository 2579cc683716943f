"""What a spec asks for and a fault in the trainer leaves undone: the run fails, or its record says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.small_specs import plan_of, small
from tiny_run import CountingBatches, make_plan, make_train, run
from torch import nn

from loopspec.compiler import Plan
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.train import Average, Finish, QuantizationAware, Schedule, Start
from loopspec.runtime.train.average import ExponentialAverage, SnapshotMean
from loopspec.runtime.train.counts import Counts
from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.finish_stages import DistillStage, ReplayStage
from loopspec.runtime.train.itinerary import Itinerary
from loopspec.runtime.train.job import RunResult
from loopspec.runtime.train.latch import Latches
from loopspec.runtime.train.main_stage import MainStage
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.promises import require_kept
from loopspec.runtime.train.rounded import RoundedWeights

SWA = {"swa": Average("swa", every=2, start=Start(fraction=0.5))}
REPLAY = Finish("replay", 0.1, batches=3, epochs=2)
DISTILL = Finish("distill", 0.1, steps=4, temperature=2.0, alpha=0.5, mean_over="tokens")
TRAIN = make_train(
    12, averages=SWA, load="swa", quantization_aware=QuantizationAware(Start(step=8)), finish=(REPLAY, DISTILL)
)
NO_FINISH = make_train(12)


def nothing(*_: object, **__: object) -> None:
    """Stands where something should be done."""


def test_what_is_kept_is_told_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, _, _ = run(tmp_path, TRAIN)
    told = capsys.readouterr().err.splitlines()
    assert [
        line
        for line in told
        if line in {"quantization-aware steps: 14", "replay steps: 6", "distill steps: 4", "average swa: 8 updates"}
    ] == ["quantization-aware steps: 14", "replay steps: 6", "distill steps: 4", "average swa: 8 updates"]
    assert result.quantization_aware_steps == 4 + 6 + 4
    assert result.stages == {"main": 12, "replay": 6, "distill": 4}
    assert result.average_updates == 3 + 5  # after steps 8, 10, 12, and then 14, 16, ... 22


FAULTS: dict[str, tuple[type, str, Callable[..., object], str]] = {
    "the start of rounding is never seen": (Latches, "update", nothing, r"no step ran on rounded weights; its start"),
    "no weight is rounded": (
        RoundedWeights,
        "of_mode",
        lambda self, mode: {},
        r"train\.quantization_aware: no step ran on rounded weights; the modes of those steps",
    ),
    "no batch is kept": (MainStage, "keep", nothing, r"train\.finish\.0: nothing to replay; keep batches from earlier"),
    "the replay ends at once": (
        ReplayStage,
        "order",
        lambda self, *_, **__: None,
        r"train\.finish: 0 steps of replay ran, of 6",
    ),
    "the distillation ends at once": (
        DistillStage,
        "order",
        lambda self, *_, **__: None,
        r"train\.finish: 0 steps of distill ran, of 4",
    ),
    "no snapshot is taken": (SnapshotMean, "update", nothing, r"train\.averages\.swa: it "),
}


@pytest.mark.parametrize(("owner", "name", "fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_promise_that_is_not_kept_fails_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    fault: Callable[..., object],
    message: str,
) -> None:
    train = TRAIN
    if owner in (Latches, MainStage):
        train = make_train(12, quantization_aware=TRAIN.quantization_aware if owner is Latches else None)
        train = make_train(12, finish=(REPLAY,)) if owner is MainStage else train
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(TrainingError, match=message):
        run(tmp_path, train)


def test_an_average_that_is_never_updated_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExponentialAverage, "update", nothing)
    with pytest.raises(TrainingError, match=r"train\.averages\.ema: it took in no weights"):
        run(tmp_path, NO_FINISH)


def test_an_average_that_misses_steps_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update = ExponentialAverage.update

    def every_other(
        self: ExponentialAverage, parameters: dict[str, torch.Tensor], step: int, since: int | None
    ) -> None:
        if step % 2:
            update(self, parameters, step, since)

    monkeypatch.setattr(ExponentialAverage, "update", every_other)
    with pytest.raises(TrainingError, match=r"train\.averages\.ema: 6 updates, of 12 planned"):
        run(tmp_path / "main", NO_FINISH)
    with pytest.raises(TrainingError, match=r"train\.averages\.ema: 9 updates, of 18 planned"):
        run(tmp_path / "finish", make_train(12, finish=(REPLAY,)))


def test_a_start_left_in_an_average_is_another_average(tmp_path: Path) -> None:
    """Without the correction the initial weights have a share of 0.9^12, and the record of updates is the same."""
    results, averages = list[RunResult](), list[dict[str, torch.Tensor]]()
    for debias in (True, False):
        ema = {"ema": Average("ema", 0.9, debias=debias, start_step=0)}
        result, _, average = run(tmp_path / str(debias), make_train(12, averages=ema))
        results.append(result)
        averages.append(average)
    assert results[0].average_updates == results[1].average_updates == 12
    assert not any(torch.equal(averages[0][name], averages[1][name]) for name in averages[0])


def test_rounding_that_stops_midway_is_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_mode, calls = RoundedWeights.of_mode, list[str]()

    def twice(self: RoundedWeights, mode: str) -> dict[str, torch.Tensor]:
        calls.append(mode)
        return of_mode(self, mode) if len(calls) <= 2 else {}

    monkeypatch.setattr(RoundedWeights, "of_mode", twice)
    result, _, _ = run(tmp_path, make_train(12, quantization_aware=TRAIN.quantization_aware))
    records = read_records(tmp_path / "metrics.jsonl")
    assert result.quantization_aware_steps == sum(record["quantization_aware"] for record in records) == 2
    assert len(calls) == 4


def test_a_replay_of_fewer_batches_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, _, _ = run(tmp_path, make_train(12, finish=(Finish("replay", 0.1, batches=20, epochs=1),)))
    assert result.stages == {"main": 12, "replay": 12}
    assert "train.finish.0: training left 12 of 20 batches to replay" in capsys.readouterr().err


def test_a_schedule_that_did_not_come_to_its_end_is_told() -> None:
    train = make_train(averages={}, load="last", stop=Stop(steps=30, seconds=5.0))
    itinerary = SimpleNamespace(main=SimpleNamespace(ended_by="seconds", since={}, places={}))
    notes: list[str] = []
    counts = Counts(stages=Counter(main=3))
    require_kept(make_plan(train), counts, itinerary, None, notes.append)  # type: ignore[arg-type]
    assert notes == ["training was ended by seconds; the schedule goes by steps, and did not come to its end"]
    by_seconds = make_train(averages={}, load="last", stop=Stop(seconds=5.0), schedule=Schedule("seconds"))
    require_kept(make_plan(by_seconds), counts, itinerary, None, pytest.fail)  # type: ignore[arg-type]


def test_a_nuclear_norm_that_is_never_lowered_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(small(train={"stop": {"steps": 10}, "penalties": {"nuclear_norm": {"weight": 0.5, "every": 5}}}))
    counts = Counts(stages=Counter(main=10))
    with pytest.raises(TrainingError, match="it has lowered no singular value"):
        require_kept(plan, counts, ended(plan), None, print)
    counts.shrunk = 3
    require_kept(plan, counts, ended(plan), None, print)
    assert "nuclear norm: lowered 3 times" in capsys.readouterr().out


def ended(plan: Plan) -> Itinerary:
    """A run that has ended by its steps."""
    itinerary = Itinerary(plan, nn.Identity(), nothing, CountingBatches(), dict)
    itinerary.main.ended_by = "steps"
    return itinerary


def test_a_run_without_a_step_fails() -> None:
    itinerary = SimpleNamespace(main=SimpleNamespace(ended_by="seconds", since={}, places={}))
    with pytest.raises(TrainingError, match="no step was taken"):
        require_kept(make_plan(make_train()), Counts(), itinerary, None, print)  # type: ignore[arg-type]
