"""How stores are written into the artifact: ordered rules from stores to schemes, and the codec of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ClipKind = Literal["absmax", "std"]
SchemeKind = Literal["integer", "float16", "float32"]


@dataclass(frozen=True, slots=True)
class Clip:
    """Where the grid of a row ends: at its largest magnitude (`absmax`) or at `k` standard deviations (`std`)."""

    kind: ClipKind = "absmax"
    k: float | None = None


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to store a tensor; `integer` is a symmetric grid of 2^bits - 1 levels with one float16 step a row."""

    kind: SchemeKind
    bits: int | None = None
    clip: Clip | None = None

    @property
    def levels(self) -> int:
        """Grid levels on each side of zero; 31 for 6 bits."""
        assert self.bits is not None
        return int(2 ** (self.bits - 1)) - 1

    def __str__(self) -> str:
        if self.kind != "integer":
            return self.kind
        assert self.clip is not None
        return f"int{self.bits}/{self.clip.kind}" + (f" k={self.clip.k:g}" if self.clip.k is not None else "")


@dataclass(frozen=True, slots=True)
class Match:
    """Which stores a rule takes; every condition that is given must hold, none given takes all."""

    name: str | None = None  # glob over store names
    group: str | None = None
    ndim: int | None = None
    min_elements: int | None = None
    max_elements: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Stores that `match` are written by `scheme`; of several rules the first that matches holds."""

    scheme: Scheme
    match: Match = field(default_factory=Match)


@dataclass(frozen=True, slots=True)
class Codec:
    """The compressor of the artifact's data section."""

    kind: Literal["zstd"] = "zstd"
    level: int = 22


@dataclass(frozen=True, slots=True)
class Quantization:
    """The `quantization` section."""

    rules: tuple[Rule, ...]
    codec: Codec = field(default_factory=Codec)
