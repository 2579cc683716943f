"""Quantization-aware steps: what they compute, which they are, and that a run cannot promise them in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_run
import torch
from support.small_specs import group, plan_of, small
from tiny_run import CountingBatches, TinyModule, advance, make_plan, make_train, make_trainer, run, take_step

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.spec.quantization import Scheme
from loopspec.compiler.spec.train import Average, QuantizationAware, Start
from loopspec.runtime.quantize import decode, encode
from loopspec.runtime.train.errors import TrainingError
from loopspec.runtime.train.job import TrainingJob
from loopspec.runtime.train.loop import Trainer
from loopspec.runtime.train.metrics import read_records
from loopspec.runtime.train.rounded import RoundedWeights
from loopspec.runtime.train.run_folder import RunFolder

LATE = QuantizationAware(Start(lr_scale=0.5))
MATRICES = {"first", "second", "looped"}


def exported(module: torch.nn.Module) -> TinyModule:
    """A module that holds what an artifact would."""
    copy, scheme = TinyModule(), tiny_run.SCHEMES["matrices"]
    with torch.no_grad():
        for name, weight in module.named_parameters():
            array = weight.numpy()
            decoded = decode(encode(name, array, scheme)) if name in MATRICES else array
            copy.get_parameter(name).copy_(torch.from_numpy(decoded))
    return copy


def test_a_step_has_loss_and_gradients_of_the_exported_weights(tmp_path: Path) -> None:
    train = make_train(30, quantization_aware=QuantizationAware(Start(step=0)), grad_clip=None)
    trainer, module, folder = make_trainer(tmp_path, train)
    rounded = exported(module)
    assert not torch.equal(rounded.first, module.first)
    with folder:
        result = take_step(trainer, scale=1 / 3, rounded=True)
    expected = 0.0
    batches = CountingBatches()
    for _ in range(train.accumulation):
        inputs, targets = (torch.from_numpy(part.copy()) for part in batches.take(tiny_run.SEQUENCES, tiny_run.LENGTH))
        loss = rounded(inputs, targets, mode="full") / train.accumulation
        loss.backward()
        expected += loss.item()
    assert result.rounded
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter.grad, rounded.get_parameter(name).grad), name


def test_the_module_has_its_own_parameters_again_after_each_pass() -> None:
    module = TinyModule()
    own = dict(module.named_parameters())
    weights = RoundedWeights(make_plan(make_train()).stores, module)
    values = weights.of_mode("full")
    assert values.keys() == MATRICES and weights.of_mode("single").keys() == MATRICES - {"looped"}
    with pytest.raises(RuntimeError, match="in the pass"), weights.inside(values):
        assert torch.equal(module.first, values["first"]) and module.first is not own["first"]
        raise RuntimeError("in the pass")
    assert all(parameter is own[name] for name, parameter in module.named_parameters())


def test_steps_from_the_start_on_are_counted_and_recorded(tmp_path: Path) -> None:
    result, last, _ = run(tmp_path / "late", make_train(30, quantization_aware=LATE))
    records = read_records(tmp_path / "late" / "metrics.jsonl")
    first = next(index for index, record in enumerate(records) if record["lr_scale"] < 0.5 and index >= 3)
    assert [record["quantization_aware"] for record in records] == [False] * first + [True] * (30 - first)
    assert result.quantization_aware_steps == 30 - first > 0
    plain, plain_last, _ = run(tmp_path / "plain", make_train(30))
    losses = [record["loss"] for record in read_records(tmp_path / "plain" / "metrics.jsonl")]
    assert losses[:first] == [record["loss"] for record in records[:first]]
    assert losses[first] != records[first]["loss"]
    assert plain.quantization_aware_steps is None
    assert not torch.equal(last["first"], plain_last["first"])


@pytest.mark.parametrize("stop_after", [3, 26])
def test_stopped_and_resumed_is_bit_identical(tmp_path: Path, stop_after: int) -> None:
    """With snapshots, the count and a frozen store: before all of them begin, and amid them."""
    train = make_train(
        30,
        quantization_aware=LATE,
        averages={"swa": Average("swa", every=2, start=Start(fraction=0.7))},
        load="swa",
    )
    stores = tuple((*store[:2], "frozen" if store[0] == "tokens" else store[2], store[3]) for store in tiny_run.STORES)
    straight = run(tmp_path / "straight", train, stores=stores)
    trainer, _, folder = make_trainer(tmp_path / "stopped", train, stores=stores)
    with folder:
        advance(trainer, stop_after)
        trainer._save(final=True)
        trainer._recorder.close()
    resumed = run(tmp_path / "stopped", train, stores=stores, resume=True)
    assert resumed[0].quantization_aware_steps == straight[0].quantization_aware_steps
    for ours, theirs in zip(straight[1:], resumed[1:], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(straight[1]["first"], straight[2]["first"])


def test_steps_promised_and_never_taken_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_run, "SCHEMES", dict[str, Scheme]())
    with pytest.raises(
        TrainingError, match=r"no step ran on rounded weights; the modes of .* no store .*last good checkpoint"
    ):
        run(tmp_path, make_train(12, quantization_aware=LATE))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"quantization_aware": QuantizationAware(Start(lr_scale=1e-6))},
            "train.quantization_aware: its start is not reached, no step uses rounded weights",
        ),
        (
            {"averages": {"swa": Average("swa", every=1, start=Start(step=0))}, "load": "last"},
            "train.averages.swa: nothing loads it, so this run does not keep it",
        ),
    ],
)
def test_an_expected_fault_is_told_and_does_nothing(
    changes: dict[str, Any], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result, last, _ = run(tmp_path / "fault", make_train(10, **changes))
    assert told in capsys.readouterr().err
    assert result.quantization_aware_steps == (0 if "quantization_aware" in changes else None)
    plain = run(tmp_path / "plain", make_train(10))[1]
    assert all(torch.equal(last[name], plain[name]) for name in plain)


def test_names_that_are_methods_of_a_container_do(tmp_path: Path) -> None:
    """A group called `values`: found by its slot, where an attribute would be the method of a dictionary."""
    plan = plan_of(small(blocks={"values": group(1)}, graph=[{"stage": "values", "blocks": "values"}]))
    module = build_module(plan, 0)
    weights = RoundedWeights(plan.stores, module)
    tokens = torch.arange(8)[None]
    with weights.inside(weights.of_mode("full")):
        module(tokens, tokens).backward()
    assert module.get_parameter("token_embedding.weight").grad is not None
    assert dict(module.named_parameters())["blocks.values.0.mlp.up"].grad is not None


@pytest.mark.parametrize("checkpointed", [True, False])
def test_activations_computed_again_are_of_the_rounded_weights(tmp_path: Path, checkpointed: bool) -> None:
    """The backward pass computes a checkpointed stage once more: by then the weights must be rounded still."""
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "checkpoint_activations": checkpointed}
    train = {
        "sequence_length": 6,
        "batch_tokens": 12,
        "stop": {"steps": 4},
        "schedule": {"warmup_steps": 1},
        "quantization_aware": {"start": {"step": 0}},
        "grad_clip": None,
        "cpu_threads": 1,
    }
    plan = plan_of(small(model={"vocab_size": 16, "dim": 16}, graph=[stage], train=train))
    module, rounded = _drawn(plan), _drawn(plan)
    with torch.no_grad():
        for store in plan.stores:
            if store.scheme.kind == "integer":
                weight = rounded.get_parameter(store.name)
                weight.copy_(torch.from_numpy(decode(encode(store.name, weight.numpy(), store.scheme))))
    assert any(not torch.equal(rounded.get_parameter(name), weight) for name, weight in module.named_parameters())
    with RunFolder(tmp_path, resume=False, event=pytest.fail) as folder:
        job = TrainingJob(plan, module, CountingBatches(), folder, tiny_run.CPU)
        take_step(Trainer(job), rounded=True)
    inputs, targets = (torch.from_numpy(part.copy()) for part in CountingBatches().take(2, 6))
    rounded.train()(inputs, targets).backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, rounded.get_parameter(name).grad, msg=name)


def _drawn(plan: Any) -> torch.nn.Module:
    """With weights that are far from what 8 bits hold, none of them zero."""
    module, generator = build_module(plan, 0), torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module
