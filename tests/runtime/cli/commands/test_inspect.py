from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.artifact_contents import (
    FLOAT16,
    FLOAT32,
    INT6,
    INT8,
    TOKENIZER,
    contents_of,
    filled,
    quantized,
    with_states,
)

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import build_artifact
from loopspec.runtime.artifact.container import open_container
from loopspec.runtime.artifact.inspection import inspect_container, storage_text
from loopspec.runtime.quantize import Storage, encode


def heavy_contents():
    """A large int8 table, a float16 matrix, steps by small groups, a float32 vector, and a name of 60 characters."""
    stores = quantized(((300, 64), INT8), ((100, 80), FLOAT16), ((64, 64), INT6), ((40,), FLOAT32))
    (grouped,) = filled(((100, 60), Storage("integer", 31, "group", 4)))
    long = "blocks.a_group_with_a_long_name.12.attention.query.weight"
    stores += [replace(grouped, name=long)]
    return with_states(contents_of(stores), (4,))


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "heavy.loopspec"
    path.write_bytes(build_artifact(heavy_contents(), Codec("zstd", 19))[0])
    return path


def test_inspect_tells_what_is_stored_and_what_would_save_most(cli, artifact):
    result = cli("inspect", artifact.name)
    assert (result.code, result.err) == (0, "")
    assert max(map(len, result.out.splitlines())) <= 80
    lines = result.out.splitlines()
    size = artifact.stat().st_size
    assert lines[0] == f"heavy.loopspec: {size:,} bytes, format version 3, by loopspec 0.2.0"
    assert lines[1].startswith("37,336 weights in 5 stores, ")
    stores = [line.split()[0] for line in lines[lines.index("") :] if line.startswith(("blocks.", "stages."))]
    assert stores[0] == "blocks.core.0.part" and stores[-1] == "stages.trunk.state_0"
    assert any(name.startswith("blocks.a") and "…" in name for name in stores)
    advice = lines[lines.index("what would save most, each by itself, in about so many bytes:") + 1 :]
    saved = [int(line.split()[0].replace(",", "")) for line in advice]
    assert saved == sorted(saved, reverse=True)
    assert any("codes of" in line and "instead of float16" in line for line in advice)
    assert any("a step a row instead of one each 4 columns" in line for line in advice)
    assert any("codes: by rans instead of zstd" in line for line in advice)
    assert any("tokenizer" in line for line in advice) == (len(TOKENIZER) >= 64)


def test_the_json_adds_up(cli, artifact):
    result = cli("inspect", artifact.name, "--json")
    found = json.loads(result.out)
    streams = {name: stream["bytes"] for name, stream in found["streams"].items()}
    assert found["bytes"] == artifact.stat().st_size
    assert found["bytes"] == found["header_bytes"] + found["fixed_bytes"] + sum(streams.values())
    tensors = found["stores"] + found["states"]
    assert sum(each["bytes"] for each in tensors) == streams["codes"] + streams["pool"]
    assert [each["name"] for each in found["stores"]] == list(heavy_contents().stores)
    assert found["stores"][0]["storage"] == {"kind": "integer", "levels": 127}
    assert found["stores"][0]["largest_code"] == 127


@pytest.mark.parametrize("codec", ["zstd", "zlib", "rans"])
def test_one_number_takes_bytes(codec):
    stores = quantized(((), FLOAT16), ((64, 64), INT6), ((64,), FLOAT16))
    whole = build_artifact(contents_of(stores), Codec(codec, 6))[0]
    scalar, *_ = inspect_container(open_container(whole, "x"), "x").stores
    assert 1 <= scalar.bytes <= 4


@pytest.mark.parametrize("codec", ["zstd", "zlib", "brotli", "lzma"])
@pytest.mark.parametrize(
    ("storage", "part", "bounds"),
    [
        (Storage("integer", 31), "codes", "-31..31"),
        (Storage("grid", 127), "codes", "-127..127"),
        (Storage("integer", 31, error_rank=1), "left", "-127..127"),
        (Storage("integer", 31, error_rank=1), "right", "-127..127"),
    ],
)
def test_a_code_of_minus_128_is_one_error(cli, tmp_path, codec, storage, part, bounds):
    """No writer of the project makes one; a byte codec holds it all the same."""
    (store,) = filled(((4, 8), storage))
    codes = b"\x80" + store.parts[part][1:]
    whole = build_artifact(contents_of([replace(store, parts=store.parts | {part: codes})]), Codec(codec, 5))[0]
    (tmp_path / "a").write_bytes(whole)
    result = cli("inspect", "a")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"loopspec: a, store {store.name}: a code lies outside {bounds}; pack it again\n"


def test_entropy_is_of_what_is_coded():
    store = encode("w", np.tile(np.array([-1.0, 1.0], np.float32), (8, 8)), INT6)
    whole = build_artifact(contents_of([store]), Codec("rans"))[0]
    (weight,) = inspect_container(open_container(whole, "x"), "x").stores
    assert weight.entropy == 1.0
    assert weight.elements == 128


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        (Storage("integer", 31), "int6/row"),
        (Storage("integer", 127, "store"), "int8/store"),
        (Storage("integer", 1, "group", 64, "float32", 8), "+-1/64 columns float32 rank 8"),
        (Storage("integer", 20), "+-20/row"),
        (Storage("grid", 127), "grid"),
        (Storage("float16"), "float16"),
    ],
)
def test_storages_in_a_few_characters(storage, text):
    assert storage_text(storage) == text


def test_what_is_no_artifact_is_refused_on_one_line(cli, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for words, message in [
        (("notes.txt",), "loopspec: notes.txt: does not start with an artifact's magic bytes"),
        (("absent",), "loopspec: absent: cannot be read"),
        ((".",), "loopspec: .: "),
    ]:
        result = cli("inspect", *words)
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(message) and result.err.count("\n") == 1
