"""Three systems as a person would write them by hand, without loopspec: what the emitted modules race.

For sequences of up to 1,024 tokens (the rotary base of the last two grows beyond).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SOFTCAP = 30.0
ROPE_DIMS = 16
NAMES = (  # store name -> parameter name here
    (r"token_embedding\.weight", "embedding.weight"),
    (r"ngram_hash_\d\.(table|projection)", r"ngram.\1.weight"),
    (r"ngram_hash_\d\.scale", "ngram.scale"),
    (r"smear_gate\.gate", "smear"),
    (r"value_embedding\.(table|projection)", r"values.\1.weight"),
    (r"value_embedding\.scale", "values.scale"),
    (r"blocks\.(\w+\.\d+)\.(attention\.(?:query|key|value|output)|mlp\.(?:up|down))", r"\1.\2.weight"),
    (r"blocks\.(\w+\.\d+)\.(attention\.gain|residual_mix|\w+_scale)", r"\1.\2"),
    (r"stages\.\w+\.(loop_vector|skip_weight|value_scale)\.(\d+)", r"\1.\2"),
)


def norm(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.size(-1),))


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


def vector(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(shape))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = ROPE_DIMS // 2
    first, second, rest = x[..., :half], x[..., half:ROPE_DIMS], x[..., ROPE_DIMS:]
    return torch.cat((first * cos + second * sin, second * cos - first * sin, rest), dim=-1)


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, kv_heads: int, *, exclusive: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim, self.exclusive = heads, kv_heads, dim // heads, exclusive
        self.query, self.output = linear(dim, dim), linear(dim, dim)
        self.key, self.value = (linear(dim, kv_heads * self.head_dim) for _ in range(2))
        self.gain = vector(heads)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, values: Tensor | None) -> Tensor:
        """`values` (B, T, Hk * h) are added to the value vectors."""
        batch, length, dim = x.shape
        q = self.query(x).view(batch, length, self.heads, self.head_dim)
        k = self.key(x).view(batch, length, self.kv_heads, self.head_dim)
        v = self.value(x) if values is None else self.value(x) + values
        v = v.view(batch, length, self.kv_heads, self.head_dim)
        q = rotate(norm(q), cos, sin) * self.gain[:, None]
        k = rotate(norm(k), cos, sin)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, heads, T, h)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        if self.exclusive:
            groups = y.view(batch, self.kv_heads, -1, length, self.head_dim)
            own = F.normalize(v, dim=-1)[:, :, None]
            y = (groups - (groups * own).sum(dim=-1, keepdim=True) * own).view_as(y)
        out: Tensor = self.output(y.transpose(1, 2).reshape(batch, length, dim))
        return out


class Mlp(nn.Module):
    def __init__(self, dim: int, ratio: int, slope: float) -> None:
        super().__init__()
        self.up, self.down, self.slope = linear(dim, ratio * dim), linear(ratio * dim, dim), slope

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.leaky_relu(self.up(x), self.slope) if self.slope else F.relu(self.up(x))
        out: Tensor = self.down(hidden.square())
        return out


class Block(nn.Module):
    def __init__(
        self,
        dim: int,
        heads: int,
        kv_heads: int,
        *,
        mlp: tuple[int, float] = (4, 0.0),
        exclusive: bool = False,
        value_scale: bool = False,
    ) -> None:
        """`mlp`: its ratio and the slope of its activation below zero."""
        super().__init__()
        self.attention, self.mlp = Attention(dim, heads, kv_heads, exclusive=exclusive), Mlp(dim, *mlp)
        self.residual_mix, self.attention_scale, self.mlp_scale = vector(2, dim), vector(dim), vector(dim)
        self.value_scale = vector(1) if value_scale else None

    def forward(
        self, x: Tensor, x0: Tensor, rotary: tuple[Tensor, Tensor], scale: float, values: Tensor | None = None
    ) -> Tensor:
        x = self.residual_mix[0] * x + self.residual_mix[1] * x0
        if values is not None and self.value_scale is not None:
            values = values * self.value_scale
        x = x + self.attention_scale * self.attention(norm(x) * scale, *rotary, values)
        out: Tensor = x + self.mlp_scale * self.mlp(norm(x) * scale)
        return out


class Table(nn.Module):
    """A narrow embedding table with a projection and a scale."""

    def __init__(self, rows: int, width: int, dim: int) -> None:
        super().__init__()
        self.table, self.projection, self.scale = nn.Embedding(rows, width), linear(width, dim), vector()

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.projection(self.table(ids)) * self.scale
        return out


class Base(nn.Module):
    """What they share: embeddings in, tied logits out."""

    cos: Tensor
    sin: Tensor

    def __init__(self, dim: int, ngram: tuple[int, int, int], length: int) -> None:
        super().__init__()
        self.order, self.buckets, width = ngram
        self.embedding, self.ngram = nn.Embedding(1024, dim), Table(self.buckets, width, dim)
        self.smear = vector(dim)
        frequencies = 10000.0 ** -(torch.arange(0, ROPE_DIMS, 2) / ROPE_DIMS)
        angles = torch.outer(torch.arange(length).float(), frequencies)[:, None]
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def hashed(self, tokens: Tensor) -> Tensor:
        ids = tokens.int()
        hashes = torch.full_like(ids, self.buckets - 1)
        pairs = (36313 * ids[:, 1:]) ^ (27191 * ids[:, :-1])
        if self.order == 3:
            pairs[:, 1:] ^= 51647 * ids[:, :-2]
        hashes[:, 1:] = pairs % (self.buckets - 1)
        return hashes

    def embed(self, tokens: Tensor) -> Tensor:
        x = norm(self.embedding(tokens) + self.ngram(self.hashed(tokens)))
        gate = torch.sigmoid(self.smear)
        return (1 - gate) * x + gate * F.pad(x[:, :-1], (0, 0, 1, 0))

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        logits = SOFTCAP * torch.tanh(F.linear(norm(x), self.embedding.weight) / SOFTCAP)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    @torch.no_grad()
    def load_stores(self, stores: Mapping[str, Tensor]) -> None:
        """Weights by store name; all of them, no more and no fewer."""
        named = {_plain_name(store): weight for store, weight in stores.items()}
        for prefix in ("loop_vector", "skip_weight", "value_scale"):  # numbered by position there, from 0 here
            keys = sorted(
                (key for key in named if key.startswith(f"{prefix}.")), key=lambda key: int(key.split(".")[1])
            )
            named |= {f"{prefix}s.{index}": named.pop(key) for index, key in enumerate(keys)}
        self.load_state_dict(named)


class Quickstart(Base):
    """Three blocks looped twice, the second loop with skips from the first."""

    def __init__(self, length: int) -> None:
        super().__init__(128, (2, 1024, 64), length)
        self.core = nn.ModuleList(Block(128, 4, 2) for _ in range(3))
        self.loop_vectors = nn.ParameterList(vector(128) for _ in range(2))
        self.skip_weights = nn.ParameterList(vector(128) for _ in range(3))

    def forward(self, tokens: Tensor, targets: Tensor, mode: str = "full") -> Tensor:
        assert mode == "full", mode
        x = x0 = self.embed(tokens)
        skips: list[Tensor] = []
        for position in range(6):
            loop, index = divmod(position, 3)
            if index == 0:
                x = x + self.loop_vectors[loop]
            if loop == 1:
                x = x + self.skip_weights[index] * skips.pop()
            x = self.core[index](x, x0, (self.cos, self.sin), (position + 1) ** -0.5)
            if loop == 0:
                skips.append(x)
        return self.loss(x, targets)


class MicroCrawler(Base):
    """Four flat blocks in a U-Net, then two crawler blocks once (mode single) or twice (mode full)."""

    def __init__(self, dim: int, heads: int, kv_heads: int, length: int) -> None:
        super().__init__(dim, (3, 8192, 64), length)
        self.values = Table(1024, 128, dim // heads * kv_heads)
        self.flat = nn.ModuleList(Block(dim, heads, kv_heads) for _ in range(4))
        self.crawler = nn.ModuleList(Block(dim, heads, kv_heads, exclusive=True, value_scale=True) for _ in range(2))
        self.loop_vectors = nn.ParameterList(vector(dim) for _ in range(2))
        self.skip_weights = nn.ParameterList(vector(dim) for _ in range(2))

    def forward(self, tokens: Tensor, targets: Tensor, mode: str = "full") -> Tensor:
        x = x0 = self.embed(tokens)
        rotary = (self.cos, self.sin)
        values = self.values(tokens)
        skips: list[Tensor] = []
        for index, block in enumerate(self.flat):
            if index >= 2:
                x = x + self.skip_weights[index - 2] * skips.pop()
            x = block(x, x0, rotary, (index + 1) ** -0.5)
            if index < 2:
                skips.append(x)
        for loop in range(2 if mode == "full" else 1):
            x = x + self.loop_vectors[loop]
            for index, block in enumerate(self.crawler):
                x = block(x, x0, rotary, (5 + index) ** -0.5, values)
        return self.loss(x, targets)


class Tied15l(Base):
    """Fifteen positions in a U-Net, of which 9 to 13 are one block; the last six subtract what is along their value."""

    def __init__(self, dim: int, heads: int, kv_heads: int, length: int) -> None:
        super().__init__(dim, (2, 2048, dim // 2), length)
        self.values = Table(1024, 128, dim // heads * kv_heads)
        self.trunk = nn.ModuleList(
            Block(dim, heads, kv_heads, mlp=(3, 0.5), exclusive=index >= 9) for index in range(11)
        )
        self.skip_weights = nn.ParameterList(vector(dim) for _ in range(7))
        self.value_scales = nn.ParameterList(vector(1) for _ in range(2))

    def forward(self, tokens: Tensor, targets: Tensor, mode: str = "full") -> Tensor:
        assert mode == "full", mode
        x = x0 = self.embed(tokens)
        values = self.values(tokens)
        skips: list[Tensor] = []
        for position in range(15):
            index = position if position < 9 else 9 if position < 14 else 10
            added = values * self.value_scales[position - 9] if position in (9, 10) else None
            if 7 <= position < 14:
                x = x + self.skip_weights[position - 7] * skips.pop()
            scale = (15 if index == 10 else index + 1) ** -0.5
            x = self.trunk[index](x, x0, (self.cos, self.sin), scale, added)
            if position < 7:
                skips.append(x)
        return self.loss(x, targets)


def _plain_name(store: str) -> str:
    for pattern, replacement in NAMES:
        if re.fullmatch(pattern, store):
            return re.sub(pattern, replacement, store)
    raise AssertionError(f"no name for store {store}")
