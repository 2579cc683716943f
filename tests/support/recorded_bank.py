"""The recorded system with a bank and a skip trace, composed by hand from the sublayers (tests/golden)."""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from loopspec.compiler.modules import (
    Attention,
    Mlp,
    SkipTrace,
    cross_entropy,
    project_logits,
    residual_mix,
    rms_norm,
    rotary_table,
)
from loopspec.compiler.modules.embedding import hash_ngrams

_SLOTS = {
    "attn.c_q.weight": "query",
    "attn.c_k.weight": "key",
    "attn.c_v.weight": "value",
    "attn.proj.weight": "output",
    "attn.q_gain": "gain",
}


class RecordedBank:
    """Six layers of width 32, and a bank between encoder and decoder that runs twice when it fires."""

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self.weights = {name[3:]: value for name, value in arrays.items() if name.startswith("sd.")}
        self.trace = SkipTrace()
        self.trace.load_state_dict(
            {"inject": self.weights["crawler_inject_scale"], "decay": self.weights["crawler_decay_logit"]}
        )

    def loss(self, tokens: Tensor, targets: Tensor, *, fires: bool) -> Tensor:
        """Mean cross entropy in training mode; the bank runs, or its last change is added."""
        with torch.no_grad():
            return cross_entropy(self._logits(tokens, fires), targets)

    def _logits(self, tokens: Tensor, fires: bool) -> Tensor:
        x = x0 = self._input(tokens)
        stack = []
        for layer in range(3):
            x = self._block(f"blocks.{layer}", layer, x, x0, tokens)
            stack.append(x)
        if fires:
            inner = x
            for _ in range(2):
                inner = self._block("crawler_bank", 3, inner, x0, tokens)
            x = self.trace.record(x, inner)
        else:
            x = self.trace.add_trace(x)
        for layer in range(3, 6):
            x = x + self.weights["skip_weights"][layer - 3] * stack.pop()
            x = self._block(f"blocks.{layer}", layer, x, x0, tokens)
        return project_logits(rms_norm(x), self.weights["tok_emb.weight"], 30.0)

    def _input(self, tokens: Tensor) -> Tensor:
        w = self.weights
        table = w["bigram.embed.weight"][hash_ngrams(tokens, 2, 48)]
        x = rms_norm(w["tok_emb.weight"][tokens] + w["bigram.scale"] * table @ w["bigram.proj.weight"].T)
        gate = torch.sigmoid(w["smear.gate"])
        return (1 - gate) * x + gate * F.pad(x[:, :-1], (0, 0, 1, 0))

    def _block(self, name: str, index: int, x: Tensor, x0: Tensor, tokens: Tensor) -> Tensor:
        w = {key[len(name) + 1 :]: value for key, value in self.weights.items() if key.startswith(f"{name}.")}
        attention, mlp = Attention(32, 4, 2), Mlp(32, 96)
        attention.load_state_dict({slot: w[key] for key, slot in _SLOTS.items()})
        mlp.load_state_dict({"up": w["mlp.fc.weight"], "down": w["mlp.proj.weight"]})
        late = name in ("blocks.4", "blocks.5")
        values = self._values(tokens, index - 4) if late else None
        x = residual_mix(x, x0, w["resid_mix"])
        normed = rms_norm(x, 1 / sqrt(index + 1))
        x = x + w["attn_scale"] * attention(normed, rotary_table(tokens, 4, 10000.0, 1024), values, exclusive=late)
        return x + w["mlp_scale"] * mlp(rms_norm(x, 1 / sqrt(index + 1)))

    def _values(self, tokens: Tensor, number: int) -> Tensor:
        w = self.weights
        shared = w["ve_shared.embed.weight"][tokens] @ w["ve_shared.proj.weight"].T * w["ve_shared.scale"]
        return shared * w[f"ve_layer_scales.{number}"]
