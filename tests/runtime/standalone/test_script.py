"""The script itself: its numbers are those of loopspec, where there is no loopspec."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from loopspec.compiler import load_plan
from loopspec.compiler.size.code import wrapped
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import read_artifact, write_artifact
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.pipeline.scoring import artifact_validation, open_artifact, score_settings, score_text
from loopspec.runtime.standalone.sources import MAIN, script_sources


@pytest.fixture(scope="module")
def expected(packed):
    """The score that `loopspec eval` gives."""
    opened = open_artifact(packed.artifact)
    text = artifact_validation(packed.artifact, opened, opened.tokenizer, lambda _: None)
    return score_text(opened, text, score_settings(opened.plan), torch.device("cpu"))


def lines(result):
    assert (result.code, result.err) == (0, "")
    return result.out.splitlines()


def test_its_score_is_that_of_eval(packed, expected, alone):
    found = alone(packed.script, packed.artifact, "--shard", packed.folder / "val_0.bin", packed.folder / "val_1.bin")
    assert lines(found) == [
        f"{packed.artifact}: tiny, {packed.plan.parameters:,} parameters in {len(packed.plan.stores)} stores",
        f"validation loss {expected.loss:.8f} nats a token, {expected.tokens} tokens, "
        f"windows of 16, stride 4, mode full",
        f"bits per byte   {expected.bits_per_byte:.8f}, {expected.bytes} bytes",
    ]
    assert any(name.startswith("loopspec.runtime.standalone") for name in sys.modules)
    assert sys.modules["loopspec.runtime.standalone.main"].__spec__.loader.__class__.__name__ == "L"


def test_without_shards_it_only_rebuilds_the_model(packed, here):
    assert lines(here(packed.artifact))[-1] == "give --shard FILE.bin to score it"


def rewritten(packed, tmp_path, **changes):
    path = tmp_path / "changed.loopspec"
    write_artifact(path, replace(read_artifact(packed.artifact), **changes), Codec("zstd", 9))
    return path


@pytest.mark.parametrize("cause", ["no tokenizer", "no sentencepiece"])
def test_without_a_tokenizer_there_is_the_loss_alone(packed, expected, here, alone, tmp_path, cause):
    shards = [packed.folder / f"val_{number}.bin" for number in (0, 1)]
    if cause == "no tokenizer":
        path = rewritten(packed, tmp_path, tokenizer=None)
        found = lines(here(path, "--shard", *shards))
        assert found[2] == "no bits per byte: the artifact does not carry its tokenizer"
    else:
        found = lines(alone(packed.script, packed.artifact, "--shard", *shards, missing=("sentencepiece",)))
        assert found[2].startswith("no bits per byte: No module named 'sentencepiece'")
    assert found[1].startswith(f"validation loss {expected.loss:.8f} nats")


def test_an_artifact_of_a_spec_of_bytes_needs_no_tokenizer(packed, here, tmp_path):
    plain = read_artifact(packed.artifact).spec
    data = plain["data"] | {"tokenizer": plain["data"]["tokenizer"] | {"kind": "bytes"}}
    path = rewritten(packed, tmp_path, tokenizer=None, spec=plain | {"data": data})
    write_shard(tmp_path / "bytes.bin", np.frombuffer(b"the old mill and the bridge", np.uint8))
    found = lines(here(path, "--shard", tmp_path / "bytes.bin"))
    assert found[2].endswith(", 26 bytes")


@pytest.mark.parametrize(
    ("section", "change"),
    [("model", {"norm_eps": 0.5}), ("evaluate", {"stride": 8}), ("activities", {"evaluate": "x"})],
)
def test_another_spec_is_refused(packed, here, tmp_path, section, change):
    plain = read_artifact(packed.artifact).spec
    path = rewritten(packed, tmp_path, spec=plain | {section: plain[section] | change})
    found = here(path)
    assert (found.code, found.out) == (1, "")
    assert found.err == (
        f"script.py: {path}: its spec is not the one that this script was made of, they differ in {section}; "
        "make a script of its own spec (loopspec unpack, then loopspec export)\n"
    )


def test_other_tables_under_the_same_spec_are_refused(packed, here, tmp_path):
    stores = dict(read_artifact(packed.artifact).stores)
    stores.popitem()
    found = here(rewritten(packed, tmp_path, stores=stores))
    assert found.code == 1 and "they differ in stores;" in found.err


def test_training_may_differ(packed, here, tmp_path):
    plain = read_artifact(packed.artifact).spec
    lines(here(rewritten(packed, tmp_path, spec=plain | {"train": plain["train"] | {"seed": 3}})))


def test_faults_are_one_line(packed, here, tmp_path):
    damaged = bytearray(packed.artifact.read_bytes())
    damaged[200] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "short.bin").write_bytes((packed.folder / "val_0.bin").read_bytes()[:-1])
    for words, text in [
        ([tmp_path / "damaged"], "damaged"),
        ([tmp_path / "nothing"], "cannot be read"),
        ([packed.artifact, "--shard", tmp_path / "short.bin"], "short.bin: byte"),
    ]:
        found = here(*words)
        assert found.code == 1 and text in found.err and found.err.count("\n") == 1


@pytest.mark.torture
def test_in_an_isolated_process(packed, expected, tmp_path):
    """A Python that has torch and no loopspec: its site is not read, and only the folder of torch is added."""
    (tmp_path / "bootstrap.py").write_text(f"""\
import sys, runpy
sys.path.append({str(Path(torch.__file__).parents[1])!r})
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "loopspec":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
""")
    words = [packed.script, packed.artifact, "--shard", packed.folder / "val_0.bin", packed.folder / "val_1.bin"]
    command = [sys.executable, "-I", "-S", "bootstrap.py", *map(str, words)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert re.search(r"nats", found.stdout) and f"{expected.bits_per_byte:.8f}" in found.stdout


@pytest.mark.torture
@pytest.mark.parametrize("name", sorted(path for path in shipped_specs() if "/" not in path))
def test_the_model_of_every_shipped_spec_is_built_and_run(alone, tmp_path, name):
    plan = load_plan(shipped_specs()[name])
    sources = script_sources(plan)
    model = re.search(r"from model import (\w+)", sources[MAIN])[1]
    sources[MAIN] = (
        f"import sys, torch\nfrom model import {model}\nfrom loopspec.runtime.standalone.main import main\n"
        f"module = {model}().eval()\n"
        "with torch.no_grad(): print(module(torch.zeros(1, 8, dtype=torch.int64), mode=sys.argv[1]).shape[-1])\n"
        "print(sorted(name for name, _ in module.named_parameters()))\nsys.exit(0)"
    )
    (tmp_path / "script.py").write_text(wrapped(sources, MAIN))
    found = lines(alone(tmp_path / "script.py", plan.spec.activities["evaluate"]))
    assert found[0] == str(plan.spec.architecture.model.vocab_size)
    assert found[1] == str(sorted(store.name for store in plan.stores))
