"""The command: exit codes, the two forms, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.probes import gated, looped
from support.small_specs import small

FEW = ("--steps", 1, "--sequence-length", 8)


def _write(folder: Path, plain: dict[str, object], **changes: object) -> Path:
    path = folder / "small.yaml"
    path.write_text(json.dumps(plain | {"budget": {"bytes": 200000, "code_bytes": 80000}} | changes))
    return path


def test_a_normal_spec(cli, tmp_path):
    result = cli("probe", _write(tmp_path, small()), *FEW, "--seed", 3)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[:2] == [
        "probe of small",
        "  2 steps of each trained mode, 2 x 8 tokens each, float32 on the CPU, seed 3",
    ]
    assert lines[-1] == "findings: none"
    assert "step 2 of mode full: loss 2." in result.err
    row = next(line for line in lines if line.startswith("  blocks.core.0..1.attention.query "))
    assert row.split()[1:5] == ["2", "matrices", "full", "0"]  # behind a projection that starts at zero


def test_an_inert_gate_that_its_spec_expects(cli, tmp_path):
    path = _write(tmp_path, _frozen_gate(), expect=["LS523"])
    result = cli("probe", path, *FEW)
    assert "\n  3 steps of each trained mode" in result.out  # two more, for the gate's gradient could have been late
    findings = result.out[result.out.index("findings\n") :].splitlines()[1:]
    assert findings == [
        "  error: stages.crawler.gate: no gradient arrives in mode single, full",
        "  expected error: firing gate of crawler: has no effect: without it mode full gives the same logits, "
        "before and after the steps; never trained: stages.crawler.gate_scale",
        "  note: stages.crawler.loop_vector.0: mode full runs it, and gives it a gradient of exactly 0; "
        "another mode trains it",
    ]
    assert result.code == 1


def test_json(cli, tmp_path):
    result = cli("probe", _write(tmp_path, looped()), *FEW, "--format", "json")
    value = json.loads(result.out)
    assert (result.code, value["ok"], value["findings"]) == (0, True, [])
    assert value["settings"] == {"steps": 1, "sequence_length": 8, "batch": 2, "seed": 1337, "data": "random"}
    assert [(mode["name"], mode["trained"], mode["depth"]) for mode in value["modes"]] == [
        ("full", True, 4),
        ("single", True, 3),
    ]
    stores = {store["name"]: store for store in value["stores"]}
    vector = stores["stages.crawler.loop_vector.1"]
    assert vector["group"] == "scalars" and vector["steps"]["single"][0] == {"gradient": None, "update": 0.0}
    assert vector["steps"]["full"][-1]["gradient"] > 0 and vector["final"]["full"] > 0
    shared = {(item["store"], item["mode"]): item for item in value["shared"]}
    assert shared["blocks.crawler.0.mlp.up", "full"]["sites"] == 2
    assert {item["feature"] for item in value["features"]} >= {"loop_vector", "xsa", "value_embedding"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", 0), "--steps must be at least 1, not 0"),
        (("--sequence-length", 1), "--sequence-length must be at least 2, not 1"),
        (("--batch", -1), "--batch must be at least 1, not -1"),
        (("--seed", -1), "--seed must be at least 0, not -1"),
    ],
)
def test_numbers_that_make_no_sense(cli, tmp_path, words, message):
    result = cli("probe", _write(tmp_path, small()), *words)
    assert (result.code, result.out) == (2, "") and message in result.err


def test_data_that_is_not_there(cli, tmp_path):
    source = {"kind": "shards", "train": "nowhere/*.bin", "validation": "nowhere/*.bin"}
    tokenizer = {"kind": "file", "path": "nowhere.model"}
    path = _write(tmp_path, small(), data={"source": source, "tokenizer": tokenizer})
    assert cli("probe", path, *FEW).code == 0  # random tokens need none
    result = cli("probe", path, "--data", "spec")
    assert (result.code, result.out) == (1, "") and "nowhere" in result.err


def test_a_spec_with_problems(cli, tmp_path):
    result = cli("probe", _write(tmp_path, small(), graph=[]))
    assert (result.code, result.out) == (1, "") and "error[LS025]" in result.err


def _frozen_gate() -> dict[str, object]:
    plain = gated("self_gate")
    rules = [{"match": {"name": "*.gate_scale"}, "to": "frozen"}, {"to": "declared"}]
    return plain | {"train": {**plain["train"], "assign": rules}}
