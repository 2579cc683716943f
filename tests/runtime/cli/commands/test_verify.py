from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.artifact_contents import contents_of_plan
from support.small_specs import group, plan_of, small

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.quantize import Storage


@pytest.fixture(scope="module")
def contents() -> ArtifactContents:
    """Of two blocks that run twice."""
    graph = [{"stage": "trunk", "blocks": "core", "loops": 2}]
    return contents_of_plan(plan_of(small(blocks={"core": group(2)}, graph=graph)))


def written(path: Path, contents: ArtifactContents) -> Path:
    path.write_bytes(build_artifact(contents, Codec("rans"))[0])
    return path


def test_a_sound_artifact(cli, tmp_path, contents):
    path = written(tmp_path / "good.loopspec", contents)
    result = cli("verify", path.name)
    assert (result.code, result.err) == (0, "")
    assert [line.split()[:2] for line in result.out.splitlines()] == [
        [what, "ok"] for what in ("file", "header", "streams", "plan", "stores", "model")
    ]
    assert max(map(len, result.out.splitlines())) <= 80
    assert f"file    ok  {path.stat().st_size:,} bytes, format version 3\n" in result.out


def test_without_the_module_torch_is_not_imported(start, tmp_path, contents):
    written(tmp_path / "good.loopspec", contents)
    code = "import sys; from loopspec.runtime.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    process = start("-c", code, "verify", "good.loopspec", "--no-module")
    out, err = process.communicate(timeout=60)
    assert (out.splitlines()[-1], err) == ("0 False", "")
    assert "model" not in out


def first_matrix(contents):
    return next(store for store in contents.stores.values() if "codes" in store.parts)


def changed(contents, store):
    return replace(contents, stores=contents.stores | {store.name: store})


def test_what_is_not_sound_is_told(cli, tmp_path, contents):
    """Each artifact is whole in itself: only what it holds is wrong."""
    coded = first_matrix(contents)
    name = next(iter(contents.stores))
    fewer = {key: store for key, store in contents.stores.items() if key != list(contents.stores)[-1]}
    swapped = dict([*list(contents.stores.items())[1:], *list(contents.stores.items())[:1]])
    nan = np.full(16, np.nan, np.float16).tobytes()
    floats = next(
        store
        for store in contents.stores.values()
        if store.storage.kind == "float16" and len(store.parts["values"]) == 32
    )
    for bad, message in [
        (replace(contents, stores=fewer), r"its stores are not those of its own spec: "),
        (replace(contents, stores=swapped), f"its own spec, which has {name}"),
        (
            changed(contents, replace(floats, parts={"values": nan})),
            f"store {floats.name}: its values are not all finite",
        ),
        (replace(contents, spec={"name": "x"}), "its spec has problems; read it with the loopspec that wrote it"),
        (changed(contents, replace(coded, storage=Storage("integer", 100), parts=integer(coded))), "as Storage("),
    ]:
        result = cli("verify", written(tmp_path / "bad.loopspec", bad).name, "--no-module")
        assert result.code == 1 and message in result.err, (message, result.err)
        assert result.err.startswith("loopspec: bad.loopspec: ")


def integer(store):
    rows = store.shape[0]
    return {"codes": store.parts["codes"], "steps": np.full(rows, 0.01, np.float16).tobytes()}


def test_a_damaged_file_is_told(cli, tmp_path, contents):
    path = written(tmp_path / "good.loopspec", contents)
    whole = bytearray(path.read_bytes())
    whole[300] ^= 1
    path.write_bytes(whole)
    result = cli("verify", path.name)
    assert (result.code, result.out) == (1, "")
    assert result.err == "loopspec: good.loopspec: damaged, its SHA-256 does not match; copy or pack it again\n"
