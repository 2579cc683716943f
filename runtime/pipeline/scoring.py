"""Scores: of float weights during and after training (marked as such), and of an artifact, which is the real one.

Every score is taken in `train.precision` on CUDA and in float32 on a CPU; see `scoring_autocast`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...compiler.emit.loader import build_module
from ...compiler.plan import Plan
from ..artifact import ArtifactContents, ArtifactError, read_artifact
from ..data.byte_table import ByteTable
from ..data.errors import TokenizerError
from ..data.text_tokenizer import TextTokenizer
from ..data.token_source import TokenData
from ..data.tokenizer import TokenArray, Tokenizer
from ..evaluate.score import Score, ScoreError, ScoreSettings, score
from ..quantize import EncodedStore, decode
from ..train.precision import scoring_autocast
from ..train.states import load_states
from .artifact_plan import artifact_plan
from .prepare import Note, prepare_validation

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class OpenedArtifact:
    """An artifact as a model: its plan, a module with its weights and states, its tokenizer (None: not embedded).

    Stores that only training reads are zero in the module.
    """

    plan: Plan
    module: nn.Module
    tokenizer: TextTokenizer | None
    contents: ArtifactContents


def load_weights(plan: Plan, module: nn.Module, weights: Mapping[str, Tensor], states: Mapping[str, Tensor]) -> None:
    """Copies weights and states into the plan's module, cast to their dtypes.

    Stores that only training reads may be missing; they stay as they are. Raises ValueError for other states.
    """
    parameters = dict(module.named_parameters())
    assert {store.name for store in plan.exported_stores} <= weights.keys() <= parameters.keys()
    with torch.no_grad():
        for name, weight in weights.items():
            parameters[name].copy_(weight)
    load_states(module, states)


def score_settings(plan: Plan, stride: int | None = None, mode: str | None = None) -> ScoreSettings:
    """The spec's window and evaluation mode; `stride` and `mode` override them.

    Raises:
        ScoreError: the stride is not within the window, or the model has no such mode.
    """
    if mode is not None and mode not in plan.modes:
        raise ScoreError(f"no mode is named {mode!r}; the model has {', '.join(plan.modes)}")
    evaluate = plan.spec.evaluate
    return ScoreSettings(
        evaluate.sequence_length,
        evaluate.stride if stride is None else stride,
        evaluate.batch_windows,
        plan.spec.activities["evaluate"] if mode is None else mode,
    )


def validation_loss(plan: Plan, module: nn.Module, data: TokenData, device: torch.device) -> dict[str, float]:
    """Loss (nats a token) and bits per byte without overlap between windows: quick, for progress only."""
    settings = score_settings(plan, plan.spec.evaluate.sequence_length)
    with scoring_autocast(plan.spec.train.precision, device):
        result = score(module, data.validation, data.byte_table, settings, device)
    return {"validation_loss": result.loss, "validation_bpb": result.bits_per_byte}


def score_weights(
    plan: Plan,
    module: nn.Module,
    states: Mapping[str, Tensor],
    data: TokenData,
    weights: Mapping[str, Tensor],
    progress: Progress | None = None,
) -> Score:
    """The sliding-window score of these weights and states, with every target once."""
    load_weights(plan, module, weights, states)
    device = next(module.parameters()).device
    with scoring_autocast(plan.spec.train.precision, device):
        return score(module, data.validation, data.byte_table, score_settings(plan), device, progress)


def open_artifact(path: Path) -> OpenedArtifact:
    """Rebuilds plan, module and tokenizer from the file alone.

    Raises:
        ArtifactError: not a whole artifact, or its stores or states are not the ones of its own spec.
        TokenizerError: the embedded tokenizer is no SentencePiece model.
    """
    contents = read_artifact(path)
    plan = artifact_plan(path, contents)
    module = build_module(plan)
    _assert_never_read(plan)
    load_weights(plan, module, _decoded(contents.stores), _decoded(contents.states))
    tokenizer = None if contents.tokenizer is None else Tokenizer.from_bytes(contents.tokenizer)
    return OpenedArtifact(plan, module, tokenizer, contents)


def _assert_never_read(plan: Plan) -> None:
    """What the artifact leaves out is zero in the opened module, so no mode may read it in evaluation."""
    left_out = {store.name for store in plan.stores if not store.exported}
    for mode in plan.modes.values():
        read = {store for site in mode.sites for store in plan.graph.bindings(site, mode.name).values()}
        assert not read & left_out, f"mode {mode.name} reads {sorted(read & left_out)}, which no artifact holds"


def _decoded(encoded: Mapping[str, EncodedStore]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(decode(store)) for name, store in encoded.items()}


def check_tokenizer(opened: OpenedArtifact, tokenizer: TextTokenizer) -> None:
    """Raises TokenizerError where the tokenizer is not the one that the artifact was trained with."""
    expected = opened.contents.tokenizer_sha256
    if tokenizer.sha256 != expected:
        raise TokenizerError(
            f"tokenizer has sha256 {tokenizer.sha256[:12]}, the artifact was trained with {expected[:12]}; "
            "give that one by --tokenizer"
        )


@dataclass(frozen=True, slots=True)
class ScoredText:
    """Tokens (n + 1,) to score, what they stand for, and where they come from."""

    tokens: TokenArray
    byte_table: ByteTable
    description: str


def artifact_validation(path: Path, opened: OpenedArtifact, tokenizer: TextTokenizer, note: Note) -> ScoredText:
    """The validation text of the artifact's own spec.

    Raises:
        ArtifactError: this machine has another text than the one that the artifact was packed beside.
    """
    data = prepare_validation(opened.plan, tokenizer, note)
    expected = opened.contents.provenance.get("validation_sha256")
    if expected != data.sha256:
        raise ArtifactError(
            f"{path}: was packed beside another validation text (sha256 {str(expected)[:12]}, here "
            f"{data.sha256[:12]}); use the same Python or shards, or score a file with --text"
        )
    return ScoredText(data.tokens, data.byte_table, f"validation text {data.sha256[:12]}")


def text_file(path: Path, tokenizer: TextTokenizer, plan: Plan) -> ScoredText:
    """A text file as tokens after a beginning-of-document token.

    Raises:
        TokenizerError: the file cannot be read or is not UTF-8, or its tokens do not stand for exactly its bytes.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{path} cannot be scored ({error}); give a UTF-8 text file") from error
    table = ByteTable.from_tokenizer(tokenizer, plan.spec.architecture.model.vocab_size)
    opening = np.array([tokenizer.opening_id], dtype=np.uint16)
    tokens = np.concatenate([opening, tokenizer.encode(text)])
    size = len(text.encode())
    if table.total(tokens) != size:
        raise TokenizerError(
            f"{path}: {size} bytes, but its tokens stand for {table.total(tokens)}; "
            "this tokenizer changes the text, so that no score of it would be true"
        )
    return ScoredText(tokens, table, str(path))


def score_text(
    opened: OpenedArtifact,
    text: ScoredText,
    settings: ScoreSettings,
    device: torch.device,
    progress: Progress | None = None,
) -> Score:
    """The artifact's score of a text, on the device; raises as `score`."""
    module = opened.module.to(device)
    with scoring_autocast(opened.plan.spec.train.precision, device):
        return score(module, text.tokens, text.byte_table, settings, device, progress)
