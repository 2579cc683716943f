"""A tiny spec with the whole recipe of training in it, and what a run of it leaves, for comparison."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from loopspec.runtime.train.checkpoint import Checkpoint, decode
from loopspec.runtime.train.metrics import read_records

STEPS = {"main": 12, "replay": 6, "distill": 4}
TIMES = ("seconds", "began_seconds")

_RULES = "[{match: {matrix: true}, scheme: {kind: integer, bits: 6, clip: {kind: absmax}}}, {scheme: {kind: float16}}]"
_SPEC = """\
spec_version: 1
name: recipe
budget: {{bytes: 400000, code_bytes: 0}}
data:
  source: {{kind: text, path: {text}, validation_share: 0.1}}
  tokenizer: {{kind: bytes}}
  order: shuffled
model: {{vocab_size: 257, dim: 8}}
blocks: {{core: {{count: 1, attention: {{heads: 2, kv_heads: 1}}, mlp: {{ratio: 2}}}}}}
graph: [{{stage: trunk, blocks: core, loops: 2}}]
quantization: {{rules: {rules}}}
cadence: [{{pattern: [single, full]}}]
train:
  sequence_length: 16
  batch_tokens: 128
  accumulation: 2
  stop: {{steps: 12}}
  schedule: {{warmup_steps: 2, warmdown_steps: 6}}
  batch_schedule: [{{until: {{steps: 4}}, sequence_length: 8, batch_tokens: 64}}]
  quantization_aware: {{start: {{lr_scale: 0.5}}}}
  averages: {{ema: {{kind: ema, decay: 0.9, decays: [{{match: {{name: blocks.*}}, decay: 0.8}}]}}}}
  load: ema
  finish:
    - {{kind: replay, batches: 3, epochs: 2, lr_scale: 0.1, start: {{lr_scale: 0.7}}}}
    - {{kind: distill, steps: 4, lr_scale: 0.05}}
  cpu_threads: 1
  checkpoint_every: 1
  keep_checkpoints: 2
evaluate: {{sequence_length: 16, stride: 8}}
"""


def write_recipe(folder: Path, *, rounded: bool = True) -> Path:
    """The spec's file, beside its text; without `rounded` no step trains on rounded weights."""
    draw = random.Random(1)
    words = ["the", "quiet", "river", "runs", "past", "old", "mill", "and", "under", "bridge"]
    text = folder / "text"
    text.mkdir()
    for number in range(20):
        (text / f"{number:02d}.txt").write_text(" ".join(draw.choice(words) for _ in range(150)) + "\n")
    path = folder / "recipe.yaml"
    lines = _SPEC.format(text=text, rules=_RULES).splitlines(keepends=True)
    path.write_text("".join(line for line in lines if rounded or "quantization_aware" not in line))
    return path


def last_step(folder: Path) -> int:
    """Of the last whole checkpoint of a run; 0 without one."""
    latest = folder / "checkpoints" / "latest"
    return int(latest.read_text().strip()[5:-5]) if latest.exists() else 0


def last_checkpoint(folder: Path) -> Checkpoint:
    path = folder / "checkpoints" / (folder / "checkpoints" / "latest").read_text().strip()
    return decode(path.read_bytes(), torch.device("cpu"), path, "")


def state_of(folder: Path) -> dict[str, Any]:
    """Everything in the last checkpoint but the clock, as plain nested values; tensors as their bytes."""
    checkpoint = last_checkpoint(folder)
    parts = {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint) if field.name != "clock"}
    return {name: _plain(part) for name, part in parts.items()}


def records_of(folder: Path) -> list[dict[str, Any]]:
    """The metrics without their times."""
    records = read_records(folder / "metrics.jsonl")
    return [{key: value for key, value in record.items() if key not in TIMES} for record in records]


def assert_same_run(left: Path, right: Path) -> None:
    """Bit for bit the same metrics and the same last checkpoint."""
    assert records_of(left) == records_of(right)
    one, other = state_of(left), state_of(right)
    assert one.keys() == other.keys()
    differing = [name for name, part in one.items() if part != other[name]]
    assert not differing


def assert_close_run(left: Path, right: Path) -> None:
    """The same run but for the order of floating-point additions.

    From the first step on rounded weights on, a difference of one bit can turn into one of a quantization step.
    """
    rounded = False
    for one, other in zip(records_of(left), records_of(right), strict=True):
        rounded = rounded or one["quantization_aware"]
        assert abs(one.pop("loss") - other.pop("loss")) < (1e-3 if rounded else 1e-5), one
        assert abs(one["grad_norm"] - other["grad_norm"]) < (0.05 if rounded else 1e-3) * one["grad_norm"]
        del one["grad_norm"], other["grad_norm"]
        assert one == other
    first, second = last_checkpoint(left), last_checkpoint(right)
    assert (first.batches, first.counts) == (second.batches, second.counts)
    for name, weight in first.model.items():
        torch.testing.assert_close(weight, second.model[name], rtol=0, atol=5e-3 if rounded else 1e-4, msg=name)


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes())
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
