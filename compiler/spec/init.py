"""How a stored tensor starts, and the number format it is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Init:
    """How a store starts. `depth_scale` multiplies by 1/sqrt(2 L), L the number of blocks or of positions.

    Internal are `identity_mix` (the first row one, the second zero, so that a mix starts as the identity) and `vector`
    (the numbers of `values`).
    """

    kind: Literal["zero", "constant", "normal", "orthogonal", "uniform_fan_in", "identity_mix", "vector"]
    value: float | None = None  # constant
    std: float | None = None  # normal
    gain: float | None = None  # orthogonal
    depth_scale: Literal["none", "unique_blocks", "positions"] = "none"
    values: tuple[float, ...] | None = None  # vector
