"""A tiny packed model, its script, and a process-like place where loopspec cannot be imported."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from support.workshop import TOKENIZER

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module, load_class
from loopspec.compiler.plan import Plan
from loopspec.compiler.size.code import wrapped
from loopspec.runtime.artifact import ArtifactContents, write_artifact
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.data.tokenizer import Tokenizer
from loopspec.runtime.pipeline.prepare import prepare_validation
from loopspec.runtime.quantize import encode
from loopspec.runtime.standalone.main import main
from loopspec.runtime.standalone.sources import MAIN, script_sources

TEXT = " ".join(["the quiet river runs past the old mill and under the bridge"] * 60)


@dataclass(frozen=True)
class Packed:
    """A plan, its artifact and its script, beside val_0.bin and val_1.bin."""

    plan: Plan
    sources: dict[str, str]
    folder: Path
    artifact: Path
    script: Path


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("standalone")
    tokenizer = Tokenizer.from_file(TOKENIZER)
    tokens = tokenizer.encode(TEXT)
    write_shard(folder / "train_0.bin", tokens)
    write_shard(folder / "val_0.bin", tokens[:40])
    write_shard(folder / "val_1.bin", tokens[40:70])
    spec = folder / "tiny.yaml"
    spec.write_text(f"""\
spec_version: 1
name: tiny
budget: {{bytes: 200000, code_bytes: 0}}
data:
  source: {{kind: shards, train: {folder}/train_*.bin, validation: {folder}/val_*.bin}}
  tokenizer: {{kind: file, path: {TOKENIZER}, embed: true}}
model: {{vocab_size: {tokenizer.vocab_size}, dim: 16}}
blocks: {{core: {{count: 1, attention: {{heads: 2, kv_heads: 1}}, mlp: {{ratio: 2}}}}}}
graph: [{{stage: trunk, blocks: core, loops: 2}}]
train:
  sequence_length: 16
  batch_tokens: 32
  stop: {{steps: 2}}
  schedule: {{warmup_steps: 1, warmdown_steps: 1}}
  cpu_threads: 1
evaluate: {{stride: 4}}
quantization:
  rules:
    - {{match: {{matrix: true}}, scheme: {{kind: integer, bits: 6, clip: {{kind: std, k: 12.85}}}}}}
    - {{scheme: {{kind: float16}}}}
  codec: {{kind: rans}}
""")
    plan = load_plan(spec)
    weights = dict(build_module(plan, 0).named_parameters())
    contents = ArtifactContents(
        spec=plan.spec.plain,
        stores={s.name: encode(s.name, weights[s.name].detach().numpy(), s.scheme) for s in plan.exported_stores},
        tokenizer=tokenizer.model_bytes,
        tokenizer_sha256=tokenizer.sha256,
        provenance={"validation_sha256": prepare_validation(plan, tokenizer, lambda _: None).sha256},
    )
    artifact, script = folder / "tiny.loopspec", folder / "script.py"
    write_artifact(artifact, contents, plan.spec.quantization.codec)
    sources = script_sources(plan)
    script.write_text(wrapped(sources, MAIN))
    return Packed(plan, sources, folder, artifact, script)


class _Blocked:
    """Refuses what a machine without loopspec would not find."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}")


@pytest.fixture
def here(packed: Packed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs what the script runs, by the loopspec of this process: quick."""
    model = load_class(packed.sources["model"], "Tiny")
    names: dict[str, dict[str, str]] = {}
    exec(packed.sources[MAIN].partition("from model")[2].partition("\n")[2], {"__name__": "main"}, names)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    deterministic = torch.are_deterministic_algorithms_enabled()

    def run(*words: object) -> Ran:
        code = main(model, names["MADE_OF"], [str(word) for word in words])
        torch.use_deterministic_algorithms(deterministic)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ran]]:
    """Runs a script as `__main__` where `loopspec`, or any of `missing`, cannot be imported."""
    modules, finders, deterministic = (
        dict(sys.modules),
        list(sys.meta_path),
        torch.are_deterministic_algorithms_enabled(),
    )

    def run(script: Path, *words: object, missing: tuple[str, ...] = ()) -> Ran:
        names = ("loopspec", "model", *missing)
        for name in [name for name in sys.modules if name.partition(".")[0] in names]:
            del sys.modules[name]
        sys.meta_path[:] = [_Blocked(*names), *finders]
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
        return Ran(int(ended.value.code or 0), *capsys.readouterr())

    yield run
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name not in modules]:
        del sys.modules[name]
    sys.modules.update(modules)
    torch.use_deterministic_algorithms(deterministic)
