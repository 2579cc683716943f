"""A tiny looped spec over tiny shards, and the command line run on it in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.workshop import TESTS, TOKENIZER, Workshop

from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.data.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("workshop")
    tokenizer = Tokenizer.from_file(TOKENIZER)
    text = (TESTS.parent / "README.md").read_text() + Path(__file__).read_text() * 4
    tokens = tokenizer.encode(" ".join(text.split()))
    write_shard(folder / "train_000.bin", tokens)
    write_shard(folder / "val_000.bin", tokens[:300])
    (folder / "tokenizer.model").write_bytes(TOKENIZER.read_bytes())
    (folder / "tiny.yaml").write_text(f"""\
spec_version: 1
name: tiny
budget: {{bytes: 200000, code_bytes: 0}}
data:
  source: {{kind: shards, train: train_*.bin, validation: val_*.bin}}
  tokenizer: {{kind: file, path: tokenizer.model}}
  order: shuffled
model:
  vocab_size: {tokenizer.vocab_size}
  dim: 16
blocks:
  core:
    count: 2
    attention: {{heads: 2, kv_heads: 1}}
    mlp: {{ratio: 2}}
graph:
  - {{stage: trunk, blocks: core, loops: 2, loop_vector: {{}}, skips: {{kind: unet, scope: path}}}}
cadence: [{{pattern: [full, single]}}]
train:
  sequence_length: 16
  batch_tokens: 64
  stop: {{steps: 40}}
  schedule: {{warmup_steps: 2, warmdown_steps: 20}}
  averages: {{ema: {{kind: ema, decay: 0.9}}}}
  load: ema
  cpu_threads: 1
  validate_every: 20
  checkpoint_every: 5
evaluate: {{stride: 4}}
""")
    return Workshop(folder)
