"""What differs between two specs and their plans."""

from __future__ import annotations

import json


def test_equal_specs_print_nothing(cli):
    result = cli("diff", "quickstart", "quickstart")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_keys_figures_and_folded_stores(cli):
    result = cli("diff", "baseline-9l", "cycle-3x9")
    assert result.code == 1 and result.err == ""
    lines = result.out.splitlines()
    assert lines[:4] == ["A: baseline-9l", "B: cycle-3x9", "", "keys that differ"]
    assert "  blocks.trunk.count   9 -> 3" in lines
    assert "  graph.0.path         null -> {cycle: 9}" in lines
    assert "  - blocks.trunk.3..8.mlp.up  1024 x 512 (6 alike)" in lines
    assert any(line.startswith("  parameters ") and "(-11,022,384)" in line for line in lines)
    assert "  about" in lines and max(map(len, lines)) < 80


def test_set_changes_b_only(cli):
    result = cli("diff", "quickstart", "quickstart", "--set", "model.dim=96")
    assert result.code == 1
    assert "  model.dim  128 -> 96\n" in result.out
    assert "  blocks.core.0..2.mlp.up            512 x 128 -> 384 x 96 (3 alike)\n" in result.out


def test_a_section_that_only_one_has_is_a_block(cli):
    out = cli("diff", "tied-15l", "frugendorff-6x2").out
    assert "keys only in A\n  - blocks.trunk:\n  -   count: 11\n" in out
    assert "keys only in B\n  + blocks.core:\n  +   count: 6\n" in out


def test_other_schemes_are_listed(cli):
    out = cli("diff", "tied-15l", "tied-15l", "--set", "quantization.rules.1.scheme.bits=5").out
    assert "stores trained or stored otherwise\n" in out
    assert "int6/std k=12.85" in out and "int5/std k=12.85" in out


def test_json(cli):
    result = cli("diff", "quickstart", "quickstart", "--set", "graph.0.loops=3", "--format", "json")
    value = json.loads(result.out)
    assert result.code == 1 and value["equal"] is False
    assert value["keys"] == {
        "changed": [{"key": "graph.0.loops", "a": 2, "b": 3}],
        "only_in_a": [],
        "only_in_b": [],
    }
    assert value["figures"]["positions"] == {"a": 6, "b": 9}
    assert {"name": "stages.trunk.loop_vector.2", "shape": "128"} in value["stores"]["only_in_b"]


def test_a_spec_without_a_plan_is_trouble(cli):
    result = cli("diff", "quickstart", "none.yaml")
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith("loopspec: none.yaml: 1 error\n")
