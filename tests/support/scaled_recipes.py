"""Shipped specs scaled down to run in a second: every width narrow, every length short, no phase left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from loopspec.compiler import Plan, load_plan
from loopspec.runtime.train.batch_source import Batch

SPECS = Path(__file__).parents[2] / "specs"
STEPS, LENGTH, VOCABULARY = 20, 32, 64
NAMES = sorted(path.stem for path in SPECS.glob("*.yaml"))
REFERENCE = ("frugendorff-6x2", "micro-crawler", "tied-15l", "cycle-3x9", "baseline-9l")


def scaled(name: str) -> Plan:
    """The plan of a shipped spec at width 32 in float32, 20 steps long, with its own phases and what follows them."""
    whole = load_plan(SPECS / f"{name}.yaml")
    return load_plan(SPECS / f"{name}.yaml", list(_changes(whole)))


def _changes(whole: Plan) -> Iterator[str]:
    train, plain = whole.spec.train, whole.spec.plain
    yield f"model.vocab_size={VOCABULARY}"
    yield "model.dim=32"
    for index, layer in enumerate(plain["model"]["input"]):
        if layer["kind"] == "ngram_hash":
            yield f"model.input.{index}.buckets=32"
            yield f"model.input.{index}.dim=16"
    if plain["model"]["value_embedding"] is not None:
        yield "model.value_embedding.dim=8"
    for group in plain["blocks"]:
        yield f"blocks.{group}.attention.heads=2"
        yield f"blocks.{group}.attention.kv_heads=1"
    yield f"train.sequence_length={LENGTH}"
    yield f"train.batch_tokens={4 * LENGTH}"
    yield "train.accumulation=2"
    yield from _lengths(whole)
    if train.optimizer["matrices"].momentum_warmup is not None:
        yield "train.optimizer.matrices.momentum_warmup.steps=10"
    for index, part in enumerate(train.finish):
        yield from (f"train.finish.{index}.{key}={value}" for key, value in _short(part.kind).items())
    yield "train.precision=float32"
    yield "train.cpu_threads=1"
    yield "train.validate_every=0"
    yield "train.checkpoint_every=0"
    yield f"evaluate.sequence_length={LENGTH}"
    yield f"evaluate.stride={LENGTH // 2}"


def _lengths(whole: Plan) -> Iterator[str]:
    """Stop, schedule and batches."""
    schedule, batch = whole.spec.train.schedule, 4 * LENGTH
    yield f"train.schedule.warmup_steps={min(schedule.warmup_steps, 2)}"
    match schedule.clock:
        case "steps":
            yield f"train.stop.steps={STEPS}"
            yield f"train.schedule.warmdown_steps={min(schedule.warmdown_steps, 15)}"
        case "tokens":
            yield f"train.stop.tokens={STEPS * batch}"
            yield f"train.schedule.warmdown_tokens={15 * batch}"
        case "seconds":
            yield "train.stop.seconds=1.5"
            yield "train.schedule.warmdown_steps=15"
    for index in range(len(whole.spec.train.batch_schedule)):
        yield f"train.batch_schedule.{index}.until={{tokens: {(index + 1) * batch}}}"
        yield f"train.batch_schedule.{index}.sequence_length={LENGTH // 2}"
        yield f"train.batch_schedule.{index}.batch_tokens={batch // 2}"


def _short(kind: str) -> dict[str, int]:
    return {"batches": 2, "epochs": 2} if kind == "replay" else {"steps": 2}


class WalkBatches:
    """Random walks over the vocabulary: something to learn in a few steps; a batch depends on its number alone."""

    def __init__(self, vocabulary: int = VOCABULARY) -> None:
        self._vocabulary = vocabulary
        self._taken = 0

    def take(self, sequences: int, length: int, rows: slice = slice(None)) -> Batch:
        """See `BatchSource.take`."""
        generator = np.random.default_rng(self._taken)
        self._taken += 1
        steps = generator.integers(-2, 3, (sequences, length + 1))
        steps[:, 0] = generator.integers(0, self._vocabulary, sequences)
        tokens = np.cumsum(steps, axis=1)[rows] % self._vocabulary
        return tokens[:, :-1], tokens[:, 1:]

    def state(self) -> dict[str, int]:
        """See `BatchSource.state`."""
        return {"taken": self._taken}

    def restore(self, state: dict[str, int]) -> None:
        """See `BatchSource.restore`."""
        self._taken = state["taken"]
