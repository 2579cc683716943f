import io
import os
from types import SimpleNamespace

import pytest

from loopspec.compiler.source import extends, shipped
from loopspec.compiler.source.files import MAX_BYTES
from loopspec.compiler.source.nodes import node_at, to_plain
from loopspec.compiler.source.report import render
from loopspec.compiler.source.resolve import load_source
from loopspec.compiler.source.span import Span


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")

    return write


def codes(document):
    return [d.code for d in document.diagnostics]


def test_child_over_parent(write):
    write(
        base="name: base\nmodel: {dim: 512, head: {softcap: 30, bias: true}}\npath: [1, 2, 3]\n"
        "skips: {kind: unet, scope: pass}\ninit: {kind: normal, std: 1}\n",
        child="extends: base.yaml\nname: child\nmodel: {head: {softcap: 15, bias: null}}\npath: [9]\n"
        "skips: {kind: none}\ninit: {kind: normal, gain: 2}\nnew: {a: null}\n",
    )
    document = load_source("child.yaml")
    assert document.diagnostics == ()
    assert to_plain(document.root) == {
        "name": "child",
        "model": {"dim": 512, "head": {"softcap": 15}},
        "path": [9],
        "skips": {"kind": "none"},
        "init": {"kind": "normal", "std": 1, "gain": 2},
        "new": {"a": None},
    }
    assert node_at(document.root, ("model", "dim")).span.file == "base.yaml"
    assert node_at(document.root, ("model", "head", "softcap")).span == Span("child.yaml", 3, 25, 3, 27)
    assert set(document.texts) == {"base.yaml", "child.yaml"}


def test_null_that_deletes_nothing(write):
    write(base="model: {dim: 1}\n", child="extends: base.yaml\nmodel: {dmi: null}\n")
    document = load_source("child.yaml")
    assert codes(document) == ["LS016"]
    assert document.diagnostics[0].span == Span("child.yaml", 2, 9, 2, 12)


def test_null_is_a_value_where_the_key_takes_it(write):
    write(base="m: {cap: 30, dim: 1, n: 2}\n", child="extends: base.yaml\nm: {cap: null, off: null, n: null}\n")
    nullable = {("m", "cap"), ("m", "off")}.__contains__
    document = load_source("child.yaml", takes_null=nullable)
    assert document.diagnostics == ()
    assert to_plain(document.root) == {"m": {"cap": None, "off": None, "dim": 1}}


def test_without_a_parent_null_is_a_value(write):
    write(a="model: {softcap: null}\n")
    assert to_plain(load_source("a.yaml").root) == {"model": {"softcap": None}}


def test_a_kind_that_only_the_child_states_replaces_the_mapping(write):
    write(base="s: {scope: pass}\n", child="extends: base.yaml\ns: {kind: unet}\n")
    assert to_plain(load_source("child.yaml").root) == {"s": {"kind": "unet"}}


def test_free_zone_is_dropped_at_the_top_only(write):
    write(a="x-notes: [1]\nx-base: &b {x-inner: 1}\nm: *b\n")
    assert to_plain(load_source("a.yaml").root) == {"m": {"x-inner": 1}}


def test_parent_is_relative_to_the_child(write, tmp_path):
    write(base="a: 1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "child.yaml").write_text("extends: ../base.yaml\nb: 2\n")
    document = load_source("sub/child.yaml")
    assert to_plain(document.root) == {"a": 1, "b": 2}
    assert "base.yaml" in document.texts


def test_cycle_shows_the_chain(write):
    write(a="extends: b.yaml\n", b="extends: ./c.yaml\n", c="extends: a.yaml\n")
    document = load_source("a.yaml")
    assert codes(document) == ["LS015"]
    assert "`a.yaml` -> `b.yaml` -> `c.yaml` -> `a.yaml`" in document.diagnostics[0].message
    assert document.diagnostics[0].span.file == "c.yaml"
    assert not document.complete


def test_chain_of_eight_but_no_more(write):
    write(**{f"s{i}": f"extends: s{i + 1}.yaml\nk{i}: {i}\n" for i in range(12)}, s12="k12: 1\n")
    assert codes(load_source("s0.yaml")) == ["LS015"]
    assert codes(load_source("s4.yaml")) == []
    assert codes(load_source("s3.yaml")) == ["LS015"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("bsae.yaml", "LS014"),
        ("[base.yaml]", "LS014"),
        ("", "LS014"),
        ("3", "LS014"),
        ('"a\\0b"', "LS014"),
        (".", "LS001"),
    ],
)
def test_parents_that_cannot_be(write, value, code):
    write(base="a: 1\n", child=f"extends: {value}\nb: null\n")
    document = load_source("child.yaml")
    assert codes(document) == [code]
    assert document.diagnostics[0].span.file == "child.yaml"
    if value == "bsae.yaml":
        assert document.diagnostics[0].hint == "did you mean `base.yaml`?"


def test_bare_name_of_a_shipped_spec(write, tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "challenge-base.yaml").write_text("a: 1\n")
    (tmp_path / "package" / "bases").mkdir()
    (tmp_path / "package" / "bases" / "tiny.yaml").write_text("b: 1\n")
    monkeypatch.setattr(shipped, "files", lambda package: tmp_path / "package")
    write(child="extends: challenge-base\n", typo="extends: chalenge-base.yaml\n")
    assert to_plain(load_source("child.yaml").root) == {"a": 1}
    write(child="extends: bases/tiny.yaml\n", other="extends: tiny\n")
    assert to_plain(load_source("child.yaml").root) == to_plain(load_source("other.yaml").root) == {"b": 1}
    assert load_source("typo.yaml").diagnostics[0].hint == "did you mean `challenge-base.yaml`?"


def test_problems_of_both_files_come_in_one_run(write):
    write(base="a: 1\na: 2\n", child="extends: base.yaml\nb: !t 1\n")
    assert {(d.code, d.span.file) for d in load_source("child.yaml").diagnostics} == {
        ("LS010", "child.yaml"),
        ("LS008", "base.yaml"),
    }


def test_unreadable_files_are_diagnostics(write, tmp_path):
    write(list="- 1\n", empty="")
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    expected = {"none.yaml": "LS001", ".": "LS001", "a\0b": "LS001", "big.yaml": "LS002", "latin.yaml": "LS003",
                "list.yaml": "LS005", "empty.yaml": "LS005", "/dev/zero": "LS002", "\ud800": "LS001"}  # fmt: skip
    for path, code in expected.items():
        document = load_source(path)
        assert codes(document) == [code], path
        assert not document.complete
        assert document.diagnostics[0].span.line == 1
        render("text", document.diagnostics, document.texts)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(write, tmp_path):
    write(a="a: 1\n")
    (tmp_path / "a.yaml").chmod(0)
    assert codes(load_source("a.yaml")) == ["LS001"]


def test_standard_input(write, monkeypatch):
    write(base="a: 1\n")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"extends: base.yaml\nb: 2\n")))
    document = load_source("-")
    assert to_plain(document.root) == {"a": 1, "b": 2}
    assert "<stdin>" in document.texts


def test_set_changes_what_is_there(write):
    write(a="model: {dim: 1}\ngraph:\n  - {loops: 1}\n")
    document = load_source("a.yaml", ["model.dim=576", "graph.0.loops=[1, {a: x}]"])
    assert document.diagnostics == ()
    assert to_plain(document.root) == {"model": {"dim": 576}, "graph": [{"loops": [1, {"a": "x"}]}]}
    span = node_at(document.root, ("model", "dim")).span
    assert span == Span("--set model.dim=576", 1, 11, 1, 14)
    assert document.texts[span.file] == "model.dim=576"
    assert document.sets == ("model.dim=576", "graph.0.loops=[1, {a: x}]")


@pytest.mark.parametrize(
    ("argument", "code", "column"),
    [
        ("model.dim", "LS017", 1),
        ("model.dim=", "LS017", 1),
        ("=3", "LS017", 1),
        ("model..dim=3", "LS017", 1),
        ("model.dim=a: 1", "LS017", 11),
        ("model.dim=- 1", "LS017", 11),
        ("model.dim=[1", "LS004", 13),
        ("model.dim={a: 1, a: 2}", "LS008", 18),
        ("model.dmi=3", "LS018", 1),
        ("graph.7.loops=3", "LS018", 1),
        ("graph.x.loops=3", "LS018", 1),
        ("graph.99999999999999999999=3", "LS018", 1),
        ("model.dim.x=3", "LS018", 1),
        ("model.dim=\ud800", "LS003", 11),
    ],
)
def test_set_faults_leave_the_tree(write, argument, code, column):
    write(a="model: {dim: 1}\ngraph: [{loops: 1}]\n")
    document = load_source("a.yaml", [argument])
    assert [(d.code, d.span.column) for d in document.diagnostics] == [(code, column)]
    assert document.diagnostics[0].span.file == f"--set {argument}"
    assert to_plain(document.root) == {"model": {"dim": 1}, "graph": [{"loops": 1}]}


def test_set_twice_cites_the_first(write):
    write(a="a: 1\n")
    (problem,) = load_source("a.yaml", ["a=2", "a=3"]).diagnostics
    assert (problem.code, problem.related[0].span.file) == ("LS019", "--set a=2")


def test_set_of_a_known_default_makes_its_mappings(write):
    write(a="model: {dim: 1}\n")
    known = {("budget",), ("budget", "bytes"), ("lonely", "key")}
    document = load_source("a.yaml", ["budget.bytes=5"], known.__contains__)
    assert to_plain(document.root) == {"model": {"dim": 1}, "budget": {"bytes": 5}}
    assert codes(load_source("a.yaml", ["lonely.key=5"], known.__contains__)) == ["LS018"]


def test_set_null_is_a_value(write):
    write(a="a: 1\n")
    assert to_plain(load_source("a.yaml", ["a=null"]).root) == {"a": None}


def test_the_chain_bound_is_the_documented_one():
    assert extends.MAX_CHAIN == 8
