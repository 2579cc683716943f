"""The `model`, `blocks` and `graph` sections: what is stored, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Init:
    """How a store starts. `depth_scale` multiplies by 1/sqrt(2 L), L the number of blocks or of positions.

    `identity_mix` is internal: the first row one, the second zero, so that a mix starts as the identity.
    """

    kind: Literal["zero", "constant", "normal", "orthogonal", "uniform_fan_in", "identity_mix"]
    value: float | None = None  # constant
    std: float | None = None  # normal
    gain: float | None = None  # orthogonal
    depth_scale: Literal["none", "unique_blocks", "positions"] = "none"


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
    """Final norm, output projection, and `softcap * tanh(logits / softcap)` where a cap is given."""

    softcap: float | None


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


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary embedding on the first `dims` of each head (None: all); beyond `ntk_reference` tokens the base grows."""

    dims: int | None
    base: float
    ntk_reference: int | None


@dataclass(frozen=True, slots=True)
class Attention:
    """Causal grouped-query attention; head width is dim / heads."""

    heads: int
    kv_heads: int
    qk_norm: bool
    q_gain: float | None
    rope: Rope | None
    xsa: bool


@dataclass(frozen=True, slots=True)
class Mlp:
    """Two-matrix MLP of hidden width int(ratio * dim), or `hidden`."""

    activation: Literal["relu_squared", "leaky_relu_squared"]
    ratio: float | None
    hidden: int | None
    negative_slope: float | None

    def width(self, dim: int) -> int:
        """Hidden width for a stream of width `dim`."""
        if self.hidden is not None:
            return self.hidden
        assert self.ratio is not None
        return int(self.ratio * dim)


@dataclass(frozen=True, slots=True)
class NormScale:
    """Norm outputs are multiplied by 1/sqrt(index + 1); `index` says which index counts."""

    index: Literal["block", "first_use", "site", "explicit"]
    indices: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Residual:
    """How a block's branches meet the stream."""

    x0_mix: bool
    branch_scale: bool
    norm_scale: NormScale | None


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
class LoopVector:
    """A vector for each loop of a stage, added to the stream where the loop begins."""

    init: Init
    dtype: Dtype


@dataclass(frozen=True, slots=True)
class Skips:
    """U-Net skips: outputs of the first half are added, last first, to the inputs of the second half."""

    kind: Literal["unet"]
    scope: Literal["pass", "path"]
    init: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of blocks: `path` lists block indices in order, and the whole of it runs `loops` times."""

    name: str
    blocks: str
    path: tuple[int, ...]
    loops: int = 1
    loop_vector: LoopVector | None = None
    skips: Skips | None = None
    value_embedding_at: tuple[int, ...] = ()  # positions of the path
    xsa_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that the graph is built from."""

    model: Model
    blocks: dict[str, tuple[Block, ...]]
    stages: tuple[Stage, ...]
    modes: dict[str, dict[str, int]] = field(default_factory=dict)  # mode -> stage -> loops
