"""Keys and codes, from the schema and the registry of codes."""

from __future__ import annotations

import pytest

from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.lookup import all_keys
from loopspec.compiler.source.codes import TITLES


def test_a_key(cli):
    result = cli("explain", "blocks.core.attention.kv_heads")
    assert result.code == 0
    assert result.out.startswith("blocks.*.attention.kv_heads\n  Key")
    assert "\n  type       a whole number\n" in result.out
    assert "\n  default    none: the key is required\n" in result.out


def test_a_key_with_a_default_and_a_unit(cli):
    out = cli("explain", "budget.bytes").out
    assert "\n  unit       bytes\n" in out and "\n  default    16000000\n" in out


def test_a_section_lists_its_keys(cli):
    out = cli("explain", "model").out
    assert "\n    vocab_size " in out and "\n    embedding " in out and "tied" not in out


def test_items_of_a_list_need_no_brackets(cli):
    assert cli("explain", "graph.skips").out == cli("explain", "graph[].skips").out != ""


def test_a_key_that_depends_on_its_kind(cli):
    assert "\n  only with  kind: ngram_hash\n" in cli("explain", "model.input[].buckets").out


def test_every_key_can_be_explained_in_80_columns(cli):
    for path in dict.fromkeys(info.path for info in all_keys(load_schema())):
        result = cli("explain", path)
        assert result.code == 0 and result.out.startswith(f"{path}\n  "), path
        assert max(map(len, result.out.splitlines())) <= 80, path


@pytest.mark.parametrize("code", TITLES)
def test_every_code_can_be_explained(cli, code):
    result = cli("explain", code.lower())
    assert result.code == 0
    assert result.out.startswith(f"{code}: {TITLES[code]}\n\n")


def test_without_a_subject_all_codes_and_sections_are_listed(cli):
    result = cli("explain")
    assert result.code == 0
    for key in load_schema()["properties"]:
        assert f"\n    {key} " in result.out
    for code, title in TITLES.items():
        assert f"\n  {code}  {title}\n" in result.out


@pytest.mark.parametrize(("subject", "nearest"), [("modle.dim", "`model.dim`"), ("LS0008", "`LS008`")])
def test_unknown_subjects_get_the_nearest(cli, subject, nearest):
    result = cli("explain", subject)
    assert (result.code, result.out) == (1, "")
    assert nearest in result.err and result.err.count("\n") == 1
