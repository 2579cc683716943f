"""Bits per byte of a model on a token stream: (mean nats per token / ln 2) * (tokens / bytes)."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from ..data.byte_table import ByteTable
from ..data.tokenizer import TokenArray
from .windows import Window, check_windows, sliding_windows

Progress = Callable[[int, int], None]


class ScoreError(ValueError):
    """The tokens, the settings, or what the model returned do not allow a score."""


class LanguageModel(Protocol):
    """What is scored: an `nn.Module` of this signature, or a function."""

    def __call__(self, tokens: torch.Tensor, *, mode: str) -> torch.Tensor:
        """Logits (B, T, V) for tokens (B, T)."""


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How to score: window length and stride in tokens, windows per batch, the model's mode."""

    sequence_length: int
    stride: int
    batch_windows: int = 16
    mode: str = "full"

    def __post_init__(self) -> None:
        """Raise ScoreError for an empty batch, or windows that do not fit together."""
        if self.batch_windows < 1:
            raise ScoreError(f"batch_windows = {self.batch_windows}: must be at least 1")
        try:
            check_windows(self.sequence_length, self.stride)
        except ValueError as error:
            raise ScoreError(
                f"{error}; a stride reaches from 1 to the window's {self.sequence_length} tokens"
            ) from error


@dataclass(frozen=True, slots=True)
class Settling:
    """How a mode settled that stops extra cycles by their change: means over batches.

    Attributes:
        cycles: extra cycles that ran.
        last_change: change of the stream by the last of them, relative to its root mean square.
    """

    cycles: float
    last_change: float


@dataclass(frozen=True, slots=True)
class Score:
    """A measured score; `loss` in nats per token, `tokens` and `bytes` of the scored targets.

    `settling` is there in modes whose extra cycles stop by the data.
    """

    bits_per_byte: float
    loss: float
    tokens: int
    bytes: int
    seconds: float
    settling: Settling | None = None


def score(
    model: LanguageModel,
    tokens: TokenArray,
    byte_table: ByteTable,
    settings: ScoreSettings,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Score:
    """Score the targets tokens[1:] of a stream (n + 1,), each exactly once (see `sliding_windows`).

    Losses are float32 (float64 if the logits are), their sum float64. A module is put into evaluation mode and left as
    it was. `progress` gets the number of windows done and of all windows after every batch.

    Raises:
        ScoreError: no target, no byte, logits of a wrong shape, or a loss that is not finite.
    """
    began = time.perf_counter()
    targets = len(tokens) - 1
    byte_count = _count_bytes(tokens, byte_table)
    windows = sliding_windows(targets, settings.sequence_length, settings.stride)
    nats = 0.0
    done = 0
    changes: list[list[float]] = []
    with _evaluating(model), torch.inference_mode():
        for batch in _batches(windows, settings.batch_windows):
            nats += _batch_nats(model, tokens, batch, settings.mode, device)
            changes.extend(_changes(model))
            done += len(batch)
            if progress is not None:
                progress(done, len(windows))
    loss = nats / targets
    bits_per_byte = loss / math.log(2) * (targets / byte_count)
    seconds = time.perf_counter() - began
    return Score(bits_per_byte, loss, targets, byte_count, seconds, _settling(changes))


def _changes(model: LanguageModel) -> Iterator[list[float]]:
    """What each extra cycle of the last forward pass changed, where its mode stops by that."""
    changes = getattr(model, "changes", None)
    if changes:
        yield [float(change) for change in changes]


def _settling(changes: Sequence[Sequence[float]]) -> Settling | None:
    if not changes:
        return None
    cycles = sum(len(batch) for batch in changes) / len(changes)
    return Settling(cycles, sum(batch[-1] for batch in changes) / len(changes))


def _count_bytes(tokens: TokenArray, byte_table: ByteTable) -> int:
    known = len(byte_table.base_bytes)
    if len(tokens) and int(tokens.max()) >= known:
        raise ScoreError(f"token {tokens.max()} is beyond the byte table of {known}; use the tokenizer of these tokens")
    count = byte_table.total(tokens)
    if count < 1:
        raise ScoreError(f"nothing to score: {len(tokens)} tokens, {count} bytes of text; give more validation data")
    return count


def _batches(windows: Sequence[Window], size: int) -> Iterator[Sequence[Window]]:
    """All windows of a stream have the same length, so that any run of them makes a batch."""
    return (windows[start : start + size] for start in range(0, len(windows), size))


def _batch_nats(
    model: LanguageModel, tokens: TokenArray, windows: Sequence[Window], mode: str, device: torch.device | str
) -> float:
    length = windows[0].length
    spans = np.stack([tokens[window.start : window.start + length + 1] for window in windows]).astype(np.int64)
    batch = torch.from_numpy(spans).to(device)
    logits = model(batch[:, :-1], mode=mode)  # (B, T, V)
    expected = (len(windows), length)
    if logits.ndim != 3 or tuple(logits.shape[:2]) != expected:
        raise ScoreError(f"the model returned {tuple(logits.shape)} for tokens {expected}; expected {(*expected, 'V')}")
    if int(spans.max()) >= logits.shape[2]:
        vocab_size = logits.shape[2]
        raise ScoreError(f"token {spans.max()} is beyond the model's vocabulary of {vocab_size}; use its tokenizer")
    first = min(window.score_from for window in windows)  # nothing before it is scored by any window of the batch
    losses = _losses(logits[:, first:], batch[:, first + 1 :])
    starts = torch.tensor([window.score_from - first for window in windows], device=losses.device)
    scored = torch.arange(losses.shape[1], device=losses.device) >= starts[:, None]
    nats = float(losses[scored].sum(dtype=torch.float64))
    if not math.isfinite(nats):
        last = windows[-1]
        raise ScoreError(
            f"the loss is {nats} among targets {windows[0].start + 1} to {last.start + last.length}: "
            "the model diverged; score an earlier checkpoint"
        )
    return nats


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Nats per position, (B, T)."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    flat = functional.cross_entropy(wide.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


@contextmanager
def _evaluating(model: LanguageModel) -> Iterator[None]:
    modules = model.modules() if isinstance(model, torch.nn.Module) else ()
    training = [module for module in modules if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
