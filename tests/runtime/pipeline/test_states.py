"""A spec with states and with stores that only training reads, from training to the score of its artifact."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.artifact import ArtifactError, read_artifact, write_artifact
from loopspec.runtime.data.token_source import TokenData
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data
from loopspec.runtime.pipeline.report import Report, report_text
from loopspec.runtime.pipeline.run import Phases, finish_run, train_phases
from loopspec.runtime.pipeline.run_options import RunOptions
from loopspec.runtime.pipeline.scoring import open_artifact, score_weights, validation_loss
from loopspec.runtime.pipeline.training import Trained, checkpoint_weights, load_checkpoint
from loopspec.runtime.pipeline.unpacking import write_parts
from loopspec.runtime.quantize import QuantizeError, decode
from loopspec.runtime.train.run_folder import RunFolder
from loopspec.runtime.train.world import World

CPU = torch.device("cpu")
GATE = "firing: {kind: parallel, combine: {kind: ema_gate, decay: 0.9, scale: 0.5, dtype: bfloat16}}"
BANK = "{stage: bank, blocks: core, loops: 2, auxiliary_loss: {kind: learned}, skip_trace: {inject: 0.5}}"
SETS = [
    "blocks.core.init.outputs={kind: normal, std: 0.2}",
    f"graph=[{{stage: trunk, blocks: core, loops: 2, loop_vector: {{}}, {GATE}}}, {BANK}]",
    "modes={resting: {bank: {loops: 0}}}",
    "cadence=[{pattern: [full, single, resting]}]",
    "activities.evaluate=single",  # in which the trunk fires once, against its average
    "train.stop.steps=6",
    "train.averages={ema: {kind: ema, decay: 0.5}}",
    "train.load=ema",
    "expect=[LS517]",
]
HEADS = "model.multi_token={heads: 2}"
ONLY = ["stages.bank.loss_weight", "multi_token_head.0", "multi_token_head.1"]


@pytest.fixture
def stateful(spec: Path) -> Plan:
    return load_plan(spec, [*SETS, HEADS])


@pytest.fixture
def data(stateful: Plan) -> TokenData:
    return prepare_data(stateful, lambda _: None)


def trained(plan: Plan, path: Path) -> Trained:
    with RunFolder(path, resume=False, event=pytest.fail) as folder:
        return train_phases(plan, folder, RunOptions(), Phases(Console()), World(), CPU)[1]


def packed(plan: Plan, data: TokenData, path: Path, **states: float) -> Path:
    """An artifact of initial weights whose one state is 0.25 everywhere, or as given."""
    module = build_module(plan, 0)
    values = {"stages.trunk.average": torch.full((16,), states.get("average", 0.25))}
    pack(plan, dict(module.named_parameters()), values, data, path, Console())
    return path


def test_the_plan_tells_apart_what_the_artifact_holds(stateful: Plan) -> None:
    assert [store.name for store in stateful.stores if not store.exported] == ONLY
    assert [(state.name, state.exported) for state in stateful.states] == [
        ("stages.trunk.average", True),
        ("stages.bank.trace.delta", False),
    ]
    assert stateful.training_only_parameters == 2 + 2 * stateful.spec.architecture.model.vocab_size * 16
    assert stateful.exported_parameters + stateful.training_only_parameters == stateful.parameters


def test_the_whole_way(stateful: Plan, data: TokenData, tmp_path: Path) -> None:
    phases = Phases(Console())
    with RunFolder(tmp_path / "run", resume=False, event=pytest.fail) as folder:
        _, result = train_phases(stateful, folder, RunOptions(), phases, World(), CPU)
        assert result.result.mode_counts == {"full": 2, "single": 2, "resting": 2}
        report = finish_run(stateful, folder, data, result, phases)
    assert report.parameters == stateful.exported_parameters
    contents = read_artifact(folder.artifact)
    assert not set(ONLY) & contents.stores.keys()
    assert sum(np.prod(store.shape, dtype=int) for store in contents.stores.values()) == report.parameters
    (name,) = contents.states
    np.testing.assert_array_equal(decode(contents.states[name]), result.states[name].float().numpy())
    checkpoint = load_checkpoint(stateful, folder.path)
    weights = checkpoint_weights(stateful, checkpoint)
    again = tmp_path / "again"
    pack(stateful, weights, checkpoint.states, data, again, Console())
    assert again.read_bytes() == folder.artifact.read_bytes()
    scores = report.scores
    assert scores["average"] is not None and scores["artifact"] == pytest.approx(scores["average"], abs=0.05)
    assert "parameters of training" in report_text(report)
    check_unpacked(folder.artifact, tmp_path / "parts", report)


def check_unpacked(artifact: Path, folder: Path, report: Report) -> None:
    """The parts as files: weights that a module loads, and a map that says what is not among them."""
    opened = open_artifact(artifact)
    write_parts(opened, folder)
    dedup = json.loads((folder / "dedup_map.json").read_text())
    assert sum(entry["elements"] for entry in dedup["stores"].values()) == report.parameters
    assert list(dedup["training_only"]) == ONLY
    with np.load(folder / "weights.npz") as weights:
        assert [*dedup["stores"], "stages.trunk.average"] == weights.files
        loaded = {name: torch.from_numpy(weights[name]) for name in weights.files}
    module = build_module(opened.plan)
    missing, unexpected = module.load_state_dict(loaded, strict=False)
    assert sorted(missing) == sorted(ONLY) and not unexpected
    tokens = torch.arange(8)[None]
    assert torch.equal(module.eval()(tokens, mode="single"), opened.module.eval()(tokens, mode="single"))


def test_a_score_depends_on_the_state_and_not_on_what_only_training_reads(
    stateful: Plan, data: TokenData, tmp_path: Path
) -> None:
    module = build_module(stateful, 0)
    weights = {name: parameter.detach().clone() for name, parameter in module.named_parameters()}

    def score(weights: dict[str, Tensor], average: float) -> float:
        states = {"stages.trunk.average": torch.full((16,), average)}
        return score_weights(stateful, module, states, data, weights).bits_per_byte

    poisoned = weights | {name: torch.full_like(weights[name], float("nan")) for name in ONLY}
    assert score(weights, 0.25) == score(poisoned, 0.25) != score(weights, 5.0)
    without = {name: weight for name, weight in weights.items() if name not in ONLY}
    assert score(without, 0.25) == score(weights, 0.25)


def test_what_is_left_out_is_zero_and_the_state_is_there_in_an_opened_artifact(
    stateful: Plan, data: TokenData, tmp_path: Path
) -> None:
    opened = open_artifact(packed(stateful, data, tmp_path / "a"))
    parameters = dict(opened.module.named_parameters())
    assert all(not parameters[name].count_nonzero() for name in ONLY)
    average = opened.module.get_buffer("stages.trunk.average")
    assert average.dtype == torch.bfloat16 and (average == 0.25).all()


def test_states_that_do_not_fit_the_plan_are_refused(stateful: Plan, data: TokenData, tmp_path: Path) -> None:
    path = packed(stateful, data, tmp_path / "a")
    contents = read_artifact(path)
    (name, state), codec = *contents.states.items(), stateful.spec.quantization.codec
    smaller = replace(state, shape=(8,), parts={"values": state.parts["values"][:32]})
    for states in ({}, {"other": replace(state, name="other")}, {name: smaller}):
        write_artifact(path, replace(contents, states=states), codec)
        with pytest.raises(ArtifactError, match=r"a: its states are not those of its own spec.*; pack the run again"):
            open_artifact(path)
    with pytest.raises(QuantizeError, match=r"stages\.trunk\.average"):
        packed(stateful, data, path, average=float("inf"))


def test_the_predicted_bytes_count_states_and_leave_out_what_only_training_reads(spec: Path, stateful: Plan) -> None:
    plain = load_plan(spec, SETS).size
    assert abs(stateful.size.predicted_bytes - plain.predicted_bytes) < 60  # of the header, which holds the spec
    gate = SETS[1].replace("ema_gate, decay: 0.9", "self_gate").replace(", dtype: bfloat16", "")
    without = load_plan(spec, [*SETS[:1], gate, *SETS[2:]]).size
    assert 4 * 16 * 0.3 <= plain.predicted_bytes - without.predicted_bytes < 4 * 16 + 80


def test_the_artifact_is_within_its_predicted_bytes(stateful: Plan, data: TokenData, tmp_path: Path) -> None:
    size = packed(stateful, data, tmp_path / "a").stat().st_size
    assert size <= stateful.size.high_bytes


def test_the_validation_loss_is_the_plain_cross_entropy(spec: Path, stateful: Plan, data: TokenData) -> None:
    """In training the same module adds the losses of further heads and loops; validation sees none of them."""
    plain = load_plan(spec, [*SETS[:1], SETS[1].replace(" auxiliary_loss: {kind: learned},", ""), *SETS[2:]])
    modules: dict[str, nn.Module] = {"plain": build_module(plain, 0), "further": build_module(stateful, 0)}
    modules["plain"].load_state_dict(
        {name: value for name, value in modules["further"].state_dict().items() if name not in ONLY}
    )
    figures: dict[str, Any] = {
        name: validation_loss(stateful, module.train(), data, CPU) for name, module in modules.items()
    }
    assert figures["plain"] == figures["further"]
    assert all(module.training for module in modules.values())
    tokens = torch.from_numpy(data.validation.astype(np.int64))
    window = stateful.spec.evaluate.sequence_length
    inputs, targets = tokens[None, :window], tokens[None, 1 : window + 1]
    for mode in ("full", "single"):
        losses = {name: module(inputs, targets, mode=mode).item() for name, module in modules.items()}
        assert losses["further"] > losses["plain"] + 0.1
        for module in modules.values():
            assert module.eval()(inputs, targets, mode=mode).item() == pytest.approx(losses["plain"], rel=1e-6)
            module.train()


def test_validation_between_steps_changes_nothing_that_training_reads(spec: Path, tmp_path: Path) -> None:
    plans = [load_plan(spec, [*SETS, HEADS, f"train.validate_every={every}"]) for every in (0, 1)]
    silent, watched = (trained(plan, tmp_path / str(index)) for index, plan in enumerate(plans))
    for name, weight in silent.last.items():
        assert torch.equal(weight, watched.last[name]), name
    assert silent.states.keys() == watched.states.keys() > {"stages.trunk.average"}
    for name, state in silent.states.items():
        assert torch.equal(state, watched.states[name]), name


def test_groups_of_blocks_keep_their_order_in_the_artifact(spec: Path, tmp_path: Path) -> None:
    """Stores come in the order of the groups, which is not that of the alphabet."""
    group = "{count: 1, attention: {heads: 2, kv_heads: 1}, mlp: {ratio: 2}, residual: {norm_scale: {index: stored}}}"
    sets = [
        f"blocks={{second: {group}, first: {group}, core: {group}}}",
        "graph=[{stage: one, blocks: second}, {stage: two, blocks: first}, {stage: three, blocks: core}]",
    ]
    plan = load_plan(spec, sets)
    data = prepare_data(plan, lambda _: None)
    weights = dict(build_module(plan, 0).named_parameters())
    pack(plan, weights, {}, data, tmp_path / "x.loopspec", Console())
    opened = open_artifact(tmp_path / "x.loopspec").plan
    assert [store.name for store in opened.stores] == [store.name for store in plan.stores]
    assert list(opened.spec.architecture.blocks) == ["second", "first", "core"]
