"""The score: golden bits per byte, each target once, honest errors."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from loopspec.runtime.data.byte_table import ByteTable
from loopspec.runtime.data.tokenizer import Tokenizer
from loopspec.runtime.evaluate.score import ScoreError, ScoreSettings, score

GOLDEN = Path(__file__).parents[2] / "golden"
ARRAYS = np.load(GOLDEN / "bpb_eval_loader.npz")
RESULTS = json.loads((GOLDEN / "bpb_eval_loader.json").read_text())["results"]
TABLE = ByteTable.from_tokenizer(Tokenizer.from_file(GOLDEN / "bpb_tiny.model"))
TOKENS = ARRAYS["val_tokens"].astype(np.uint16)
VOCAB_SIZE = 400


class BigramModel(torch.nn.Module):
    """Logits from the current token alone, so that a target's loss does not depend on its window."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = torch.nn.Parameter(torch.randn(VOCAB_SIZE, VOCAB_SIZE, generator=generator))
        self.modes = set()
        self.was_training = set()

    def forward(self, tokens, targets=None, mode="full"):
        assert targets is None
        self.modes.add(mode)
        self.was_training.add(self.training)
        return self.table[tokens]


def recorded_losses(tokens, *, mode):
    """A model whose loss at every position is the recorded one of the published script."""
    assert mode == "full"
    first = recorded_losses.row
    recorded_losses.row += len(tokens)
    nll = torch.from_numpy(ARRAYS["nll_nonoverlap"][first : first + len(tokens)]).double()
    targets = torch.from_numpy(ARRAYS["val_tokens"][1:]).view(-1, 32)[first : first + len(tokens)]
    rest = torch.log(-torch.expm1(-nll) / (VOCAB_SIZE - 1))
    logits = rest[..., None].repeat(1, 1, VOCAB_SIZE)
    return logits.scatter(2, targets[..., None], -nll[..., None])


@pytest.mark.parametrize("batch_windows", [1, 16, 100])
def test_score_of_the_recorded_losses_is_the_published_scripts(batch_windows):
    recorded_losses.row = 0
    result = score(recorded_losses, TOKENS, TABLE, ScoreSettings(32, 32, batch_windows))
    assert result.loss == pytest.approx(RESULTS["eval_val"]["val_loss"], rel=1e-7)
    assert result.bits_per_byte == pytest.approx(RESULTS["eval_val"]["val_bpb"], rel=1e-7)
    assert result.bits_per_byte == pytest.approx(RESULTS["sliding_stride32"]["val_bpb"], rel=1e-6)
    assert (result.tokens, result.bytes) == (1344, TABLE.total(TOKENS))


@pytest.mark.parametrize(("count", "length", "stride", "batch"), [(1345, 32, 8, 7), (1345, 32, 5, 64), (20, 32, 8, 4)])
def test_every_target_counts_once_whatever_the_windows(count, length, stride, batch):
    model = BigramModel()
    tokens = TOKENS[:count]
    pairs = torch.from_numpy(tokens.astype(np.int64))
    expected = torch.nn.functional.cross_entropy(model.table[pairs[:-1]].double(), pairs[1:]).item()
    result = score(model, tokens, TABLE, ScoreSettings(length, stride, batch))
    assert result.loss == pytest.approx(expected, rel=1e-6)
    assert result.bits_per_byte == pytest.approx(expected / math.log(2) * (count - 1) / TABLE.total(tokens), rel=1e-6)
    assert result.tokens == count - 1


def test_context_is_what_the_windows_say():
    """A model that knows a target only with 24 tokens of context: all but the first window's early targets."""

    def model(tokens, *, mode):
        known = torch.zeros(*tokens.shape, VOCAB_SIZE)
        following = torch.roll(tokens, -1, 1)
        known.scatter_(2, following[..., None], 50.0)
        known[:, :24] = 0
        known[:, -1] = 0  # the last target is not among the inputs
        return known

    result = score(model, TOKENS, TABLE, ScoreSettings(32, 8, 16))
    windows = 165
    unknown = 24 + windows
    assert result.loss * result.tokens == pytest.approx(unknown * math.log(VOCAB_SIZE), rel=1e-5)


def test_mode_is_passed_training_is_restored_and_progress_is_told():
    model = BigramModel()
    calls = []
    score(model, TOKENS, TABLE, ScoreSettings(32, 32, 10, "single"), progress=lambda *call: calls.append(call))
    assert (model.modes, model.was_training, model.training) == ({"single"}, {False}, True)
    assert calls == [(10, 42), (20, 42), (30, 42), (40, 42), (42, 42)]
    assert model.table.grad is None


def test_scores_are_repeatable_to_the_bit():
    settings = ScoreSettings(32, 8)
    first, second = (score(BigramModel(), TOKENS, TABLE, settings) for _ in range(2))
    assert first.bits_per_byte == second.bits_per_byte


@pytest.mark.parametrize(
    ("model", "tokens", "message"),
    [
        (lambda tokens, mode: torch.zeros(*tokens.shape, 400), TOKENS[:1], "nothing to score"),
        (lambda tokens, mode: torch.zeros(*tokens.shape, 400), np.array([1, 1, 1]), "0 bytes of text"),
        (lambda tokens, mode: torch.zeros(*tokens.shape, 400), np.array([1, 400]), "beyond the byte table of 400"),
        (lambda tokens, mode: torch.zeros(*tokens.shape, 300), TOKENS, "beyond the model's vocabulary of 300"),
        (lambda tokens, mode: torch.zeros(2, 400), TOKENS, r"returned \(2, 400\) for tokens \(16, 32\)"),
        (
            lambda tokens, mode: torch.full((*tokens.shape, 400), torch.nan),
            TOKENS,
            "loss is nan among targets 1 to 512",
        ),
    ],
)
def test_what_cannot_be_scored_is_refused(model, tokens, message):
    with pytest.raises(ScoreError, match=message):
        score(model, tokens, TABLE, ScoreSettings(32, 32))


def test_an_empty_batch_is_refused():
    with pytest.raises(ScoreError, match="batch_windows = 0"):
        ScoreSettings(32, 32, 0)


@pytest.mark.parametrize("stride", [0, 33])
def test_a_stride_beyond_the_window_is_refused_with_the_settings(stride):
    with pytest.raises(ScoreError, match=f"window length 32 and stride {stride}: .* from 1 to the window's 32 tokens"):
        ScoreSettings(32, stride)


class SettlingModel(BigramModel):
    """Reports what extra cycles changed: as many as its counter says, each a tenth of the one before."""

    calls = 0

    def forward(self, tokens, targets=None, mode="full"):
        self.calls += 1
        self.changes = [torch.tensor(0.1**cycle) for cycle in range(1, 1 + self.calls)] if mode == "settled" else []
        return super().forward(tokens, targets, mode)


def test_how_a_mode_settles_is_reported_as_means_over_batches():
    settled = score(SettlingModel(), TOKENS[:65], TABLE, ScoreSettings(32, 32, 1, mode="settled")).settling
    assert settled.cycles == 1.5  # one cycle in the first of two batches, two in the second
    assert settled.last_change == pytest.approx((0.1 + 0.01) / 2)
    assert score(SettlingModel(), TOKENS[:65], TABLE, ScoreSettings(32, 32, 1)).settling is None
