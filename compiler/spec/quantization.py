"""How stores are written into the artifact: ordered rules from stores to schemes, and the codec of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ClipKind = Literal["absmax", "std", "sensitivity_std", "percentile", "percentile_search"]
SchemeKind = Literal["rate_distortion", "integer", "ternary", "binary", "float16", "float32"]
StepShare = Literal["store", "row", "group"]
CodecKind = Literal["rans", "zstd", "zlib", "brotli", "lzma", "constriction"]


@dataclass(frozen=True, slots=True)
class Clip:
    """Where the grid of a row ends.

    Attributes:
        kind: `absmax`: at its largest magnitude. `std`: at `k` standard deviations. `sensitivity_std`: the same, more
            for rows to which the loss is sensitive. `percentile`: where the share `percentile` of its magnitudes lies
            within. `percentile_search`: at the one of `percentiles` with the least squared error.
        choose: `percentile_search` picks one percentile for each row, or one for the whole store.
        strength: of `sensitivity_std`: k times 1 + strength * (row's sensitivity / their mean - 1), at least 1, or k
            itself where that is less: else a row without gradient would have a grid that ends at 0.
    """

    kind: ClipKind = "absmax"
    k: float | None = None
    strength: float | None = None
    percentile: float | None = None
    percentiles: tuple[float, ...] = ()
    choose: Literal["row", "store"] = "row"

    @property
    def least_factor(self) -> float:
        """Least factor of a row's k under `sensitivity_std`."""
        assert self.k is not None
        return min(1.0, 1 / self.k)


@dataclass(frozen=True, slots=True)
class Step:
    """The steps of an integer grid: what shares one, how it is stored, its least value.

    Attributes:
        group: columns that share a step, where `per` is "group"; the last group of a row may be shorter.
        floor: least step; 1/31 under challenge int6, where it makes most rows share one.
        rounds_with: whether codes are rounded with the step as stored, or before it was rounded to `dtype`.
    """

    per: StepShare = "row"
    group: int | None = None
    dtype: Literal["float16", "float32"] = "float16"
    floor: float = 0.0
    rounds_with: Literal["stored", "exact"] = "stored"


@dataclass(frozen=True, slots=True)
class Gptq:
    """Rounding column by column, each one's error made up for by those after it (GPTQ, arXiv 2210.17323).

    Attributes:
        damping: added to the Hessian's diagonal, as a share of its mean.
        order: of columns: by falling or rising diagonal, or as stored.
        factor: `cholesky` of the inverse as in the paper, or the `inverse` itself, as the published crawlers have it.
    """

    damping: float = 0.01
    order: Literal["falling", "rising", "stored"] = "falling"
    factor: Literal["cholesky", "inverse"] = "cholesky"


@dataclass(frozen=True, slots=True)
class RowBits:
    """Other bits for the rows to which the loss reacts most and least (parameter-golf PR 167).

    Attributes:
        share: of the rows, at either end of their sensitivities.
    """

    high: int = 8
    low: int = 4
    share: float = 0.1


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to store a tensor.

    Attributes:
        kind: `rate_distortion`: a step for every column (and row) from calibration, all from one number that the budget
            fixes. `integer`: symmetric grid of 2^bits - 1 levels. `ternary`: -1, 0, 1; `binary`: -1, 1; both times the
            mean magnitude. `float16`, `float32`.
        gptq: None rounds to nearest.
        prune: share of the weights, the smallest, that becomes zero.
        error_rank: rank of a low-rank term that makes up for the error of rounding; 0: none.
    """

    kind: SchemeKind
    bits: int | None = None
    clip: Clip | None = None
    step: Step = field(default_factory=Step)
    gptq: Gptq | None = None
    row_bits: RowBits | None = None
    prune: float = 0.0
    error_rank: int = 0

    @property
    def levels(self) -> int:
        """Grid levels on each side of zero; 31 for 6 bits."""
        assert self.bits is not None
        return int(2 ** (self.bits - 1)) - 1

    @property
    def coded(self) -> bool:
        """Whether weights become whole numbers."""
        return self.kind not in ("float16", "float32")

    @property
    def calibrated(self) -> bool:
        """Whether Hessians or sensitivities of calibration decide what is stored."""
        sensitive = self.clip is not None and self.clip.kind == "sensitivity_std"
        return self.kind == "rate_distortion" or self.gptq is not None or self.row_bits is not None or sensitive

    @property
    def known_in_training(self) -> bool:
        """Whether the grid follows from the weights alone, so that training can round to it.

        GPTQ rounds to the grid that rounding to nearest has.
        """
        chosen_later = self.kind == "rate_distortion" or self.row_bits is not None or self.error_rank or self.prune
        return self.coded and not chosen_later and (self.clip is None or self.clip.kind != "sensitivity_std")

    def __str__(self) -> str:
        if self.kind != "integer":
            return self.kind
        assert self.clip is not None
        text = f"int{self.bits}/{self.clip.kind}" + (f" k={self.clip.k:g}" if self.clip.k is not None else "")
        return text + (" gptq" if self.gptq is not None else "")


@dataclass(frozen=True, slots=True)
class Match:
    """Which stores a rule takes; every condition that is given must hold, none given takes all."""

    name: str | None = None  # glob over store names
    group: str | None = None
    ndim: int | None = None
    min_elements: int | None = None
    max_elements: int | None = None
    matrix: bool | None = None  # inputs are multiplied by it, or rows looked up in it
    min_uses: int | None = None  # sites of the mode `full` that read the store


@dataclass(frozen=True, slots=True)
class Rule:
    """Stores that `match` are written by `scheme`; of several rules the first that matches holds."""

    scheme: Scheme
    match: Match = field(default_factory=Match)


@dataclass(frozen=True, slots=True)
class Codec:
    """The coder of codes, and the compressor of all else; see FORMAT.md."""

    kind: CodecKind = "zstd"
    level: int = 22


@dataclass(frozen=True, slots=True)
class Calibration:
    """What Hessians and sensitivities are measured on, in the mode of the activity `calibrate`.

    Attributes:
        tokens: how many; never of the validation split.
        source: training data, or text that the model samples itself.
        order: all stores in the model as trained, or block by block, each after the blocks before it are quantized.
    """

    tokens: int = 32768
    source: Literal["training", "model"] = "training"
    order: Literal["one_shot", "sequential"] = "one_shot"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Quantization:
    """The `quantization` section."""

    rules: tuple[Rule, ...]
    codec: Codec = field(default_factory=Codec)
    calibration: Calibration = field(default_factory=Calibration)
