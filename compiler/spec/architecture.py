"""The `model` and `blocks` sections: what is stored; and the whole architecture with its stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .init import Dtype, Init
from .stage import Stage, StageMode


@dataclass(frozen=True, slots=True)
class Embedding:
    """The token table (vocab_size, dim), also the output head when `tied`."""

    tied: bool
    init: Init
    dtype: Dtype
    head_init: Init  # of the untied head


@dataclass(frozen=True, slots=True)
class InputLayer:
    """One step on the token embedding; `kind` says which fields are read."""

    kind: Literal["ngram_hash", "rms_norm", "smear_gate"]
    order: int | None = None  # ngram_hash
    buckets: int | None = None
    dim: int | None = None
    scale: float | None = None  # initial multiplier
    table_init: Init | None = None
    projection_init: Init | None = None
    dtype: Dtype = "float32"
    init: Init | None = None  # smear_gate


@dataclass(frozen=True, slots=True)
class ValueEmbedding:
    """A narrow token table, projected to the key-value width and added to the values where a block or `place` asks."""

    dim: int
    scale: float
    position_scale: float
    table_init: Init
    projection_init: Init
    dtype: Dtype


@dataclass(frozen=True, slots=True)
class Head:
    """Final norm, output projection, and `softcap * tanh(logits / softcap)` where a cap is given.

    `label_smoothing` and `z_loss` are the `train` section's: of the loss of training steps.
    """

    softcap: float | None
    label_smoothing: float = 0.0
    z_loss: float = 0.0


@dataclass(frozen=True, slots=True)
class MultiToken:
    """Heads that predict further ahead, in training only: head k (from 0) predicts the token k + 2 places on."""

    heads: int
    weight: float
    init: Init


@dataclass(frozen=True, slots=True)
class Documents:
    """Packed documents that no token reads across; each begins at `boundary_token`, and the first with the row.

    `across` names kinds of input layers that read across boundaries all the same.
    """

    boundary_token: int
    across: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """The `model` section."""

    vocab_size: int
    dim: int
    embedding: Embedding
    head: Head
    norm_eps: float
    input: tuple[InputLayer, ...] = ()
    value_embedding: ValueEmbedding | None = None
    multi_token: MultiToken | None = None
    documents: Documents | None = None


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary embedding on the first `dims` of each head (None: all); beyond `ntk_reference` tokens the base grows."""

    dims: int | None
    base: float
    ntk_reference: int | None
    ntk_exponent: Literal["dims", "head"] = "dims"
    direction: Literal["backward", "forward"] = "backward"
    dtype: Dtype = "float32"


@dataclass(frozen=True, slots=True)
class Attention:
    """Causal grouped-query attention; head width is dim / heads."""

    heads: int
    kv_heads: int
    qk_norm: bool
    q_gain: float | None
    rope: Rope | None
    xsa: bool
    query_rank: int | None = None
    differential: bool = False


@dataclass(frozen=True, slots=True)
class Mlp:
    """MLP of hidden width int(ratio * dim), or `hidden`; swiglu has three matrices, as large as two of that width."""

    activation: str
    ratio: float | None
    hidden: int | None
    negative_slope: float | None

    def width(self, dim: int) -> int:
        """Hidden width for a stream of width `dim`."""
        if self.hidden is not None:
            return self.hidden
        assert self.ratio is not None
        if self.activation == "swiglu":
            return -(-int(dim * self.ratio * 2 / 3) // 8) * 8  # three matrices as large as two, rounded up to 8
        return int(self.ratio * dim)


@dataclass(frozen=True, slots=True)
class NormScale:
    """Norm outputs are multiplied by 1/sqrt(index + 1); `index` says which index counts."""

    index: Literal["block", "stored", "first_use", "site", "explicit"]
    indices: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How attention and MLP follow each other in a block.

    `sequential`: the MLP reads what attention wrote. `parallel`: both read the block's input (GPT-J). `bounded`: a
    softmax over four learned numbers weighs stream, x0, attention and MLP, the two last times `tau`.
    """

    kind: Literal["sequential", "parallel", "bounded"] = "sequential"
    tau: float | None = None  # bounded
    gate: tuple[float, ...] | None = None  # bounded: initial logits of stream, x0, attention, MLP


@dataclass(frozen=True, slots=True)
class Residual:
    """How a block's branches meet the stream."""

    x0_mix: bool
    branch_scale: bool
    norm_scale: NormScale | None
    arrangement: Arrangement = Arrangement()
    token_gate: bool = False


@dataclass(frozen=True, slots=True)
class BlockInit:
    """Initialisation of a block's matrices; `outputs` are the attention output and the MLP's second matrix."""

    matrices: Init
    outputs: Init


@dataclass(frozen=True, slots=True)
class Block:
    """One physical block, its group's overrides applied."""

    attention: Attention
    mlp: Mlp
    residual: Residual
    value_embedding: bool
    init: BlockInit
    dtype: Dtype


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that the graph is built from."""

    model: Model
    blocks: dict[str, tuple[Block, ...]]
    stages: tuple[Stage, ...]
    modes: dict[str, dict[str, StageMode]] = field(default_factory=dict)  # mode -> stage -> change
