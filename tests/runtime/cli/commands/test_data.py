"""`loopspec data` as its user sees it."""

from __future__ import annotations

import json

import pytest
import yaml

from loopspec.runtime.data import hub
from loopspec.runtime.data.errors import FetchError

TEXT = "The quiet river runs past the old mill.\n\n"


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LOOPSPEC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def books(tmp_path):
    (tmp_path / "books").mkdir()
    for index in range(12):
        (tmp_path / "books" / f"{index}.txt").write_text(f"Book {index}.\n\n" + TEXT * 5)
    return tmp_path / "books"


def test_packed_text_is_what_the_printed_section_trains_on(cli, books, tmp_path):
    packed = cli("data", "pack", "books", "-o", "[out]", "--vocab-size", "300", "--shard-tokens", "200")
    assert packed.code == 0, packed.err
    section = yaml.safe_load(packed.out)
    assert section["model"] == {"vocab_size": 300}
    assert section["data"]["tokenizer"] == {"kind": "file", "path": "[out]/tokenizer.model"}
    spec = tmp_path / "my.yaml"
    cli("new", spec)
    changed = yaml.safe_load(spec.read_text())
    changed["data"] = section["data"]
    changed["model"] |= section["model"]
    spec.write_text(yaml.safe_dump(changed))
    result = cli("data", "inspect", "my.yaml", "--format", "json")
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert record["train"]["documents"] + record["validation"]["documents"] == 12
    assert record["train"]["first_text"].startswith("Book ") and record["train"]["problems"] == []


def test_it_never_overwrites(cli, books):
    assert cli("data", "pack", "books", "-o", "out", "--bytes").code == 0
    again = cli("data", "pack", "books", "-o", "out", "--bytes")
    assert (again.code, again.err) == (
        1,
        "loopspec: out exists already; name another folder with -o, or remove it\n",
    )


def test_a_damaged_shard_is_a_problem_of_one_line(cli, books, tmp_path):
    cli("data", "pack", "books", "-o", "out", "--bytes", "--shard-tokens", "500")
    shard = tmp_path / "out" / "train_000001.bin"
    shard.write_bytes(shard.read_bytes()[:-5])
    result = cli("data", "inspect", "out", "--bytes")
    assert result.code == 1
    (problem,) = [line for line in result.out.splitlines() if line.startswith("problem")]
    assert problem.startswith("problem: out/train_000001.bin: byte 2019: the header says 500 tokens")
    whole = cli("data", "inspect", "out/train_000000.bin", "out/val_000000.bin", "--bytes")
    assert whole.code == 0 and "of 257 tokens of the vocabulary used" in whole.out


def test_text_is_inspected_with_and_without_a_tokenizer(cli, books):
    assert cli("data", "inspect", "books").out.startswith("text: 12 documents, ")
    assert " tokens, " in cli("data", "inspect", "books/1.txt", "books/2.txt", "--bytes").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pack", "none.txt", "-o", "x"), 1, "none.txt: unreadable: No such file"),
        (("pack", "books", "-o", "x", "--include", "*.org"), 1, "books: no file matches *.org"),
        (("pack", "books", "-o", "x", "--shard-tokens", "0"), 2, "--shard-tokens must be at least 1"),
        (("pack", "books", "-o", "x", "--validation-share", "1"), 2, "--validation-share must be above 0"),
        (("pack", "books", "-o", "x", "--vocab-size", "9999"), 1, "no tokenizer with 9999 pieces"),
        (("pack", "books", "-o", "x", "--bytes", "--vocab-size", "9"), 2, "not allowed with argument"),
        (("inspect", "none_*.bin"), 1, "none_*.bin: no file matches"),
        (("inspect", "quickstart", "--bytes"), 2, "a spec names its own tokenizer"),
        (("inspect", "quikstart"), 1, "did you mean `quickstart`?"),
        (("fetch", "fineweb", "--shards", "0"), 2, "--shards must be at least 1"),
        (("fetch", "c4"), 2, "invalid choice: 'c4'"),
        ((), 2, "required: ACTION"),
    ],
)
def test_faults(cli, books, words, code, said):
    result = cli("data", *words)
    assert result.code == code and said in result.err and "Traceback" not in result.err


def test_a_fetch_that_fails_says_why(cli, monkeypatch):
    def fail(repository, name, folder):
        raise FetchError(f"{name} of {repository} was not fetched: no route; run the same command again")

    monkeypatch.setattr(hub, "hub_download", fail)
    result = cli("data", "fetch", "fineweb", "--variant", "sp8192", "-o", "d")
    assert result.code == 1
    assert result.err.startswith(
        "loopspec: datasets/manifest.json of kevclark/parameter-golf was not fetched: no route"
    )
