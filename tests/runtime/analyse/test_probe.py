"""Normal specs are clean; dead stores and inert features are found, and fail where no one expects them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.probes import SETTINGS, findings_of, gated, looped, probe_of
from support.small_specs import group, plan_of, small

from loopspec.runtime.analyse.judgement import judge
from loopspec.runtime.analyse.probe import probe, shortest_sequence
from loopspec.runtime.analyse.probe_json import probe_json
from loopspec.runtime.analyse.records import Change
from loopspec.runtime.train.errors import TrainingError


def _assigned(*frozen: str) -> list[object]:
    return [*({"match": {"name": name}, "to": "frozen"} for name in frozen), {"to": "declared"}]


def _train(**changes: object) -> dict[str, object]:
    return {**small()["train"], **changes}


@pytest.fixture(scope="module")
def normal():
    return probe_of(looped())


def test_a_normal_spec_is_clean(normal):
    assert normal.findings == () and normal.ok
    assert normal.modes == ("single", "full")
    assert [step.mode for step in normal.steps] == ["single", "full"] * SETTINGS.steps
    assert all(change.logits > 0 for effect in normal.effects for change in [effect.end])


def test_every_feature_is_taken_away_once(normal):
    assert sorted(effect.name for effect in normal.effects) == [
        "all blocks of crawler",
        "all blocks of flat",
        "loop_vector of crawler",
        "loops after the first of crawler",
        "ngram_hash_2",
        "skip of flat",
        "smear_gate",
        "value_embedding of crawler",
        "x0_mix of crawler",
        "x0_mix of flat",
        "xsa of crawler",
    ]
    positions = {effect.name: effect.positions for effect in normal.effects}
    assert positions["skip of flat"] == (1,)
    assert positions["loop_vector of crawler"] == (2, 3)
    assert positions["xsa of crawler"] == (2, 3)
    assert positions["loops after the first of crawler"] == (3,)


def test_a_store_that_a_mode_leaves_out_has_no_gradient_there(normal):
    first, second = normal.steps[:2]
    assert first.stores["stages.crawler.loop_vector.1"].gradient is None
    assert first.stores["stages.crawler.loop_vector.1"].update == 0.0
    assert second.stores["stages.crawler.loop_vector.1"].gradient > 0


def test_zeros_at_the_start_are_no_fault(normal):
    effects = {effect.name: effect for effect in normal.effects}
    mix = effects["x0_mix of flat"]
    assert mix.start.logits == 0.0 and mix.start.loss == 0.0 and mix.end.logits > 0 and not mix.inert


def test_equal_settings_give_equal_figures():
    assert probe_json(probe_of(small())) == probe_json(probe_of(small()))


def test_a_gate_in_no_optimizer_is_as_its_spec_expects():
    names = (
        "blocks.*",
        "*_embedding.*",
        "ngram_hash_2.*",
        "smear_gate.gate",
        "stages.*.skip_weight.*",
        "*.loop_vector.*",
    )
    rules = [{"match": {"name": name}, "to": "declared"} for name in names]
    plain = gated("self_gate", expect=["LS520", "LS523"], train=_train(assign=rules))
    plan = plan_of(plain)
    assert {store.name for store in plan.stores if not store.trainable} == {
        "stages.crawler.gate",
        "stages.crawler.gate_scale",
    }
    found = probe_of(plain)
    levels = findings_of(found)
    assert levels["stages.crawler.gate"] == ("no_gradient", "expected")
    assert levels["stages.crawler.gate_scale"] == ("no_gradient", "expected")
    assert levels["firing gate of crawler"] == ("no_effect", "expected")
    assert found.ok


def test_a_frozen_block_that_starts_at_zero_is_found():
    plain = small(
        blocks={"core": group(2), "bank": group(1)},
        graph=[
            {"stage": "trunk", "blocks": "core"},
            {"stage": "bank", "blocks": "bank", "inside": "trunk", "loops": 2},
        ],
        train=_train(assign=_assigned("blocks.bank.*")),
    )
    found = probe_of(plain)
    assert findings_of(found) == {
        "all blocks of bank": ("no_effect", "error"),
        "loops after the first of bank": ("no_effect", "error"),
        "x0_mix of bank": ("no_effect", "error"),
    }
    expecting = judge(replace(found, plan=plan_of(plain | {"expect": ["LS523"]})))
    assert {finding.level for finding in expecting} == {"expected"}


def test_what_is_too_small_to_show_is_no_error(normal):
    effects = {effect.name: effect for effect in normal.effects}
    nothing = Change(0.0, 0.0)
    hidden = [replace(effects[name], start=nothing, end=nothing) for name in ("smear_gate", "xsa of crawler")]
    findings = judge(replace(normal, effects=tuple(hidden)))
    assert [(item.subject, item.level) for item in findings] == [("xsa of crawler", "error"), ("smear_gate", "note")]
    assert "a gradient reaches smear_gate.gate" in findings[1].message


def test_a_trained_gate_is_alive():
    found = probe_of(gated("reference_gate"))
    assert found.ok
    effects = {effect.name: effect for effect in found.effects}
    assert effects["firing gate of crawler"].start.logits == 0.0 < effects["firing gate of crawler"].end.logits


def test_a_store_that_no_trained_mode_runs_is_as_the_plan_says():
    found = probe_of(looped(cadence=[{"pattern": ["single"]}]))
    assert findings_of(found) == {"stages.crawler.loop_vector.1": ("no_gradient", "expected")}


def test_a_learning_rate_of_nothing_moves_nothing():
    adamw = {"kind": "adamw", "weight_decay": 0}
    optimizer = {"scalars": {**adamw, "lr": 1e-30}}
    found = probe_of(small(train=_train(optimizer=optimizer)))
    stuck = [name for name, finding in findings_of(found).items() if finding == ("no_update", "error")]
    assert "blocks.core.0.attention_scale" in stuck and "blocks.core.0.attention.query" not in stuck


def test_figures_that_are_not_finite_stop_it():
    optimizer = {name: {"kind": "adamw", "lr": 1e38} for name in ("matrices", "embeddings", "scalars")}
    with pytest.raises(TrainingError, match=r"mode full: loss is .* is not finite: .* Lower the learning rates"):
        probe_of(small(train=_train(optimizer=optimizer)))


def test_heads_that_look_ahead_need_longer_sequences():
    assert shortest_sequence(plan_of(small())) == 2
    plain = small()
    plain["model"] |= {"multi_token": {"heads": 3, "weight": 0.2}}
    assert shortest_sequence(plan_of(plain)) == 5


def test_it_tells_its_progress():
    lines: list[str] = []
    probe(plan_of(small()), SETTINGS, lines.append)
    assert lines[0] == "small: 2 x 8 tokens a step (random tokens)"
    assert lines[2].startswith("step 1 of mode full: loss 2.")


@pytest.mark.parametrize(("pattern", "level"), [(["full", "off", "off"], None), (["full", "off"], "error")])
def test_a_trace_fades_only_where_a_mode_is_repeated(pattern, level):
    stages = [
        {"stage": "trunk", "blocks": "core"},
        {"stage": "bank", "blocks": "bank", "inside": "trunk", "skip_trace": {"inject": 0, "decay": 2}},
    ]
    modes = {"off": {"bank": {"loops": 0}}}
    blocks = {"core": group(2), "bank": group(1)}
    found = findings_of(probe_of(small(blocks=blocks, graph=stages, modes=modes, cadence=[{"pattern": pattern}])))
    assert found.get("stages.bank.trace.decay", ("no_gradient", None)) == ("no_gradient", level)
