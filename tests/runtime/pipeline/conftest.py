"""A tiny plan over tiny shards, and an artifact of its untrained weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.workshop import TOKENIZER

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.data.tokenizer import Tokenizer
from loopspec.runtime.pipeline.console import Console
from loopspec.runtime.pipeline.packing import pack
from loopspec.runtime.pipeline.prepare import prepare_data

TEXT = " ".join(["the quiet river runs past the old mill and under the bridge"] * 60)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec's file, beside train_0.bin, val_0.bin and the tokenizer."""
    tokenizer = Tokenizer.from_file(TOKENIZER)
    tokens = tokenizer.encode(TEXT)
    write_shard(tmp_path / "train_0.bin", tokens)
    write_shard(tmp_path / "val_0.bin", tokens[:60])
    path = tmp_path / "tiny.yaml"
    path.write_text(f"""\
spec_version: 1
name: tiny
budget: {{bytes: 200000, code_bytes: 0}}
data:
  source: {{kind: shards, train: {tmp_path}/train_*.bin, validation: {tmp_path}/val_*.bin}}
  tokenizer: {{kind: file, path: {TOKENIZER}}}
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
""")
    return path


@pytest.fixture
def plan(spec: Path) -> Plan:
    return load_plan(spec)


@pytest.fixture
def artifact(plan: Plan, tmp_path: Path) -> Path:
    """The packed artifact; its shards stay where they were."""
    data = prepare_data(plan, lambda _: None)
    path = tmp_path / "tiny.loopspec"
    pack(plan, dict(build_module(plan, 0).named_parameters()), {}, data, path, Console())
    return path
