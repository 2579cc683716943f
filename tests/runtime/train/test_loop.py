"""The loop as a whole: what a run computes, and that stopping it changes nothing."""

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_run
import torch
from support.forge import Forge
from tiny_run import CountingBatches, Slow, TinyModule, advance, make_train, make_trainer, run, take_step
from torch import Tensor, nn

from loopspec.runtime.optim.liveness import LivenessError
from loopspec.runtime.train.average import ExponentialAverage
from loopspec.runtime.train.batch_source import EVERY_ROW
from loopspec.runtime.train.errors import CheckpointError, TrainingError
from loopspec.runtime.train.metrics import read_records


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def untimed(path: Path) -> list[dict[str, object]]:
    records = read_records(path / "metrics.jsonl")
    return [{key: value for key, value in r.items() if key not in {"began_seconds", "seconds"}} for r in records]


class StopAfter(CountingBatches):
    """Sends this process a SIGTERM while step number `step` (from 1) is under way."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.last_batch = 2 * step

    def take(self, *shape):
        batch = super().take(*shape)
        if self.position == self.last_batch:
            os.kill(os.getpid(), signal.SIGTERM)
        return batch


def test_a_run_learns_and_records_every_step(tmp_path: Path) -> None:
    result, last, average = run(tmp_path, make_train(30))
    assert (result.step, result.outcome) == (30, "finished")
    # steps 0..7: full, single, ...; then the pattern (single, full, single) by absolute step: full at 10, 13, ..., 28
    assert result.mode_counts == {"full": 4 + 7, "single": 4 + 15}
    records = read_records(tmp_path / "metrics.jsonl")
    assert [record["step"] for record in records] == list(range(1, 31))
    figures = {"stage", "mode", "quantization_aware", "loss", "lr_scale", "grad_norm", "tokens", "flops"}
    assert records[0].keys() == {"kind", "step", "began_seconds", "seconds"} | figures
    assert {record["stage"] for record in records} == {"main"}
    assert records[-1]["tokens"] == result.tokens == 30 * make_train().batch_tokens
    assert records[0]["flops"] == (100 + 200) * make_train().batch_tokens
    assert records[-1]["flops"] == result.flops == (11 * 300 + 19 * 180) * make_train().batch_tokens
    assert (result.ended_by, result.stages, result.average_updates) == ("steps", {"main": 30}, 30)
    assert result.peak_memory_bytes > 0
    assert records[-1]["loss"] == result.train_loss
    assert not same(last, average)
    assert not any(torch.equal(weight, last[name]) for name, weight in TinyModule().named_parameters())


@pytest.mark.parametrize("stop_after", [3, 13, 15])
def test_stopped_and_resumed_is_bit_identical(tmp_path: Path, stop_after: int) -> None:
    straight = run(tmp_path / "straight", make_train(30))
    handler = signal.getsignal(signal.SIGTERM)
    stopped, _, _ = run(tmp_path / "stopped", make_train(30), batches=StopAfter(stop_after))
    assert (stopped.step, stopped.outcome) == (stop_after, "interrupted")
    assert signal.getsignal(signal.SIGTERM) == handler
    torch.manual_seed(999)  # whatever happened in between
    resumed = run(tmp_path / "stopped", make_train(30), resume=True)
    assert same(straight[1], resumed[1])
    assert same(straight[2], resumed[2])
    assert straight[0].mode_counts == resumed[0].mode_counts
    assert untimed(tmp_path / "straight") == untimed(tmp_path / "stopped")
    seconds = [record["seconds"] for record in read_records(tmp_path / "stopped" / "metrics.jsonl")]
    assert seconds == sorted(seconds)


def test_killed_and_resumed_is_bit_identical(forge: Forge, tmp_path: Path) -> None:
    straight = run(tmp_path / "straight", make_train(40))
    process = forge.start_code(TINY_RUN, [tmp_path / "killed", "40", "fresh", "0.01"], tmp_path / "out")
    metrics = tmp_path / "killed" / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") > 6)
    time.sleep(random.uniform(0.0, 0.3))
    os.kill(process, signal.SIGKILL)
    assert forge.wait(process) == -signal.SIGKILL
    assert 6 < metrics.read_text().count("\n") < 40
    resumed = run(tmp_path / "killed", make_train(40), resume=True)
    assert resumed[0].outcome == "finished"
    assert same(straight[1], resumed[1])
    assert same(straight[2], resumed[2])
    assert untimed(tmp_path / "straight") == untimed(tmp_path / "killed")


TINY_RUN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import tiny_run
tiny_run.main()
"""
KILLED_BEFORE_THE_FIRST_POINTER = f"""
import os
from pathlib import Path
replace = Path.replace
Path.replace = lambda self, target: os._exit(9) if target.name == "latest" else replace(self, target)
{TINY_RUN}
"""


def test_killed_between_first_checkpoint_and_pointer_resumes_by_itself(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    straight = run(tmp_path / "straight", make_train(12))
    killed = tmp_path / "killed"
    process = forge.start_code(KILLED_BEFORE_THE_FIRST_POINTER, [killed, "12", "fresh"], tmp_path / "out")
    assert forge.wait(process) == 9, (tmp_path / "out").read_text()
    kept, leftover = sorted((killed / "checkpoints").iterdir(), reverse=True)
    assert (kept.name, leftover.suffix) == ("step-000000005.ckpt", ".partial")
    capsys.readouterr()
    resumed = run(killed, make_train(12), resume=True)
    events = capsys.readouterr().err
    assert f"latest is missing; taking the newest checkpoint beside it, {kept.name}" in events
    assert f"resuming after step 5 from {kept}" in events
    assert same(straight[1], resumed[1])
    assert same(straight[2], resumed[2])
    assert untimed(tmp_path / "straight") == untimed(killed)
    assert sorted(path.name for path in (killed / "checkpoints").iterdir()) == [
        "latest",
        "step-000000010.ckpt",
        "step-000000012.ckpt",
    ]


def test_second_interrupt_aborts_at_once_and_files_stay_whole(tmp_path: Path) -> None:
    class Impatient(StopAfter):
        def take(self, *shape):
            batch = super().take(*shape)
            if self.position == self.last_batch:
                os.kill(os.getpid(), signal.SIGINT)
            return batch

    straight = run(tmp_path / "straight", make_train(30))
    with pytest.raises(KeyboardInterrupt, match="second signal, SIGINT"):
        run(tmp_path / "aborted", make_train(30), batches=Impatient(13))
    assert [record["step"] for record in read_records(tmp_path / "aborted" / "metrics.jsonl")] == list(range(1, 13))
    assert (tmp_path / "aborted" / "checkpoints" / "latest").read_text() == "step-000000010.ckpt\n"
    resumed = run(tmp_path / "aborted", make_train(30), resume=True)
    assert same(straight[1], resumed[1])
    assert untimed(tmp_path / "straight") == untimed(tmp_path / "aborted")


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, make_train(10))
    log = (tmp_path / "metrics.jsonl").read_bytes()
    again = run(tmp_path, make_train(10), resume=True)
    assert (first[0].resumed_step, again[0].resumed_step) == (0, 10)
    measured = {"seconds": 0.0, "elsewhere": {}, "peak_memory_bytes": 0, "resumed_step": 0}
    assert replace(first[0], **measured) == replace(again[0], **measured)
    assert again[0].ended_by == "steps"
    assert same(first[2], again[2])
    assert (tmp_path / "metrics.jsonl").read_bytes() == log


def test_resume_with_another_spec_is_refused(tmp_path: Path) -> None:
    run(tmp_path, make_train(10))
    with pytest.raises(CheckpointError, match="belongs to another spec"):
        run(tmp_path, make_train(11), resume=True)


def test_validation_is_logged_and_off_the_clock(tmp_path: Path) -> None:
    seen = []

    def validate(module: nn.Module, step: int) -> dict[str, float]:
        assert not module.training and not torch.is_grad_enabled()
        seen.append(step)
        time.sleep(0.3)
        return {"bits_per_byte": 2.5}

    result, last, _ = run(tmp_path / "with", make_train(10, validate_every=4), validate=validate)
    assert seen == [4, 8]
    assert result.seconds < 0.6
    records = [record for record in read_records(tmp_path / "with" / "metrics.jsonl") if record["kind"] == "validation"]
    sums = {step: {"tokens": 24 * step, "flops": 24 * step // 2 * (300 + 180)} for step in seen}
    assert [{key: value for key, value in record.items() if key != "seconds"} for record in records] == [
        {"kind": "validation", "step": step, "bits_per_byte": 2.5, **sums[step]} for step in seen
    ]
    assert 0.0 < records[0]["seconds"] < records[1]["seconds"] <= result.seconds
    assert result.elsewhere["validation"] >= 0.6
    assert same(last, run(tmp_path / "without", make_train(10))[1])


class Poisoned(TinyModule):
    """The gradient of `looped` becomes NaN at the `at`-th pass in mode full."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.calls, self.at = 0, at

    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:
        loss = super().forward(tokens, targets, mode)
        self.calls += mode == "full"
        # the square root's gradient is 0 * inf at 0: a NaN that the loss does not show
        return loss + (self.looped.sum() * 0).abs().sqrt() if self.calls == self.at and mode == "full" else loss


def test_nonfinite_gradient_names_step_mode_and_store(tmp_path: Path) -> None:
    # full-mode passes: two a step at steps 1, 3, 5, 7, then 11: the ninth is in step 11
    with pytest.raises(TrainingError, match=r"step 11 \(mode full\).*gradient of store looped") as caught:
        run(tmp_path, make_train(30), module=Poisoned(9))
    kept = tmp_path / "checkpoints" / "step-000000010.ckpt"
    assert str(kept) in str(caught.value)
    assert kept.exists()
    assert (tmp_path / "checkpoints" / "latest").read_text().strip() == kept.name
    assert all(json.dumps(record, allow_nan=False) for record in read_records(tmp_path / "metrics.jsonl"))


def test_nonfinite_weight_is_named(tmp_path: Path) -> None:
    module = TinyModule()
    with torch.no_grad():
        module.second[0, 0] = float("inf")
    with pytest.raises(TrainingError, match=r"step 1 \(mode full\): loss is .* weight of store second.*no checkpoint"):
        run(tmp_path, make_train(5), module=module)


def test_figures_read_late_are_the_same_figures(tmp_path: Path) -> None:
    """As on an accelerator: read every `log_every` steps, before each validation and checkpoint, and at the end."""
    logs = []
    for late in (False, True):
        trainer, _, folder = make_trainer(tmp_path / str(late), make_train(23, checkpoint_every=8, log_every=10))
        trainer._stepper.checks_each_step = not late
        with folder:
            assert trainer.run().train_loss == untimed(folder.path)[-1]["loss"]
        logs.append(untimed(folder.path))
    assert logs[0] == logs[1]


def test_nonfinite_figures_read_late_stop_the_next_checkpoint(tmp_path: Path) -> None:
    train = make_train(30, checkpoint_every=5, log_every=100)
    trainer, _, folder = make_trainer(tmp_path, train, module=Poisoned(9))
    trainer._stepper.checks_each_step = False
    with folder, pytest.raises(TrainingError, match=r"step 11 \(mode full\): loss is .*000000010.ckpt"):
        trainer.run()
    assert (tmp_path / "checkpoints" / "latest").read_text() == "step-000000010.ckpt\n"
    assert read_records(tmp_path / "metrics.jsonl")[-1]["step"] == 10


class Detached(TinyModule):
    """Uses the gain's value but cuts its gradient: the published fault of the first gate."""

    def forward(self, tokens: Tensor, targets: Tensor | None = None, mode: str = "full") -> Tensor:
        x = nn.functional.embedding(tokens, self.tokens)
        x = x + torch.relu(x @ self.first.T) @ self.second.T
        x = x + (x @ self.looped.T) * self.gain.detach()
        return nn.functional.cross_entropy((x @ self.head.T).flatten(0, 1), targets.flatten())


def test_detached_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LivenessError, match="store gain is trained by mode full but no gradient reached it"):
        run(tmp_path, make_train(5), module=Detached())


def test_inactive_skip_and_decay(tmp_path: Path) -> None:
    start = TinyModule().looped.detach()
    for inactive in ("skip", "decay"):
        train = make_train(
            2, inactive=inactive, schedule=replace(make_train().schedule, warmup_steps=0, warmdown_steps=0)
        )
        trainer, module, folder = make_trainer(tmp_path / inactive, train)
        with folder:
            take_step(trainer, "single", step=1)
        expected = start if inactive == "skip" else start * (1 - 0.02 * 0.1)
        torch.testing.assert_close(module.looped.detach(), expected, rtol=0, atol=0)
        assert module.looped not in trainer._stepper.optimizers.optimizers["matrices"].state
        gain = torch.ones(8) if inactive == "skip" else torch.ones(8) * (1 - 0.01 * 0.1)
        torch.testing.assert_close(module.gain.detach(), gain, rtol=0, atol=0)


def test_accumulation_is_the_mean(tmp_path: Path) -> None:
    """Two micro-batches and one batch of both give the same loss and gradients."""

    class Joined(CountingBatches):
        def take(self, sequences, length, rows=EVERY_ROW):
            assert sequences == 2 * tiny_run.SEQUENCES
            pairs = [super(Joined, self).take(tiny_run.SEQUENCES, length, rows) for _ in range(2)]
            return tuple(torch.cat([torch.tensor(p[i]) for p in pairs]).numpy() for i in range(2))

    split, _, folder = make_trainer(tmp_path / "a", make_train())
    joined, _, other = make_trainer(tmp_path / "b", make_train(accumulation=1), batches=Joined())
    with folder, other:
        one, two = take_step(split), take_step(joined)
    torch.testing.assert_close(one.loss, two.loss)
    torch.testing.assert_close(one.grad_norm, two.grad_norm)


def test_bfloat16_runs_and_float16_is_refused(tmp_path: Path) -> None:
    result, last, _ = run(tmp_path / "bf16", make_train(4, precision="bfloat16"))
    assert result.outcome == "finished"
    assert not same(last, run(tmp_path / "fp32", make_train(4))[1])
    with pytest.raises(TrainingError, match="float16 is not supported"):
        run(tmp_path / "fp16", make_train(4, precision="float16"))


def test_average_matches_the_weights_after_each_step(tmp_path: Path) -> None:
    trainer, module, folder = make_trainer(tmp_path, make_train(6))
    expected = ExponentialAverage(dict(module.named_parameters()), 0.9, debias=True)
    with folder:
        for step in range(1, 7):
            advance(trainer, 1)
            expected.update(dict(module.named_parameters()), step)
        assert same(trainer.weights(), expected.weights())


def wait_for(condition) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "the run did not begin"
        time.sleep(0.01)


def test_slow_batches_are_the_same_batches() -> None:
    assert (Slow(0.0).take(2, 6)[0] == CountingBatches().take(2, 6)[0]).all()
