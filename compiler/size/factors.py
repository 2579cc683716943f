"""Bytes in the container over the closed form, as measured on the container itself.

`tests/bench/size_factors.py` reproduces the table: every matrix encoded by the scheme, zstd level 22, divided by the
Gaussian entropy x elements / 8 (float16: by 2 bytes). Drawn Gaussian, Laplace and row x column scaled: 5.16 M weights
of published shapes (width 640, 4x MLP, 1,024-token embedding). Trained: a byte-level transformer of 3 M parameters (4
blocks, width 256, Muon, 500 steps) at steps 25, 100, 200 and 500, and untrained.

    scheme           Gaussian  Laplace  scaled  trained: 25   100    200    500   untrained
    int6 std 12.85     1.017    0.988    1.015      0.993  1.005  0.997  0.987      0.548
    int5 std 12.85     1.027    0.995    1.027      1.015  1.018  1.005  0.987      0.553
    int8 std 20        1.008    0.992    1.005      0.996  0.998  0.995  0.987      0.550
    int6 absmax        1.009    0.873    0.948      1.016  0.980  0.967  0.959      0.625
    int8 absmax        1.007    0.912    0.965      1.022  0.987  0.981  0.974      0.606
    float16            0.845    0.864    0.854      0.838  0.851  0.855  0.860      0.457
    step, bytes a row   0.96     1.13     1.45       1.22   1.41   1.42   1.44       0.8    (absmax 1.24 to 1.55)
    float16 scalars                                  0.59   0.65   0.71   0.76

Published runs under a row-maximum clip span -25 % to +10 % of a Gaussian estimate, since training sets the rows' tails;
that interval is kept. Levels below 16 take 1.00 to 1.08 (int6) and up to 1.21 (int5) times the bytes of level 22.

All intervals are for a trained model. Output matrices that start at zero, and anything little trained, compress to
almost nothing: an untrained model is about half the estimate, so a short run's artifact says little about a long one's.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.quantization import Codec, Scheme


@dataclass(frozen=True, slots=True)
class Factor:
    """Measured over closed form: the interval's ends and what is predicted."""

    low: float
    predicted: float
    high: float

    def __mul__(self, other: Factor) -> Factor:
        return Factor(self.low * other.low, self.predicted * other.predicted, self.high * other.high)


STD_CODES = Factor(0.975, 1.005, 1.03)
ABSMAX_CODES = Factor(0.73, 0.97, 1.07)
POOLED_CODES = Factor(0.5, 1.05, 1.3)
"""Code parts under POOLED_ELEMENTS share one frame, whose tables are shaped by all of them."""

FLOAT16_VALUES = Factor(0.82, 0.855, 0.88)
FLOAT32_VALUES = Factor(0.80, 0.845, 0.90)
SCALARS = Factor(0.3, 0.75, 1.0)
"""Float stores under SCALAR_ELEMENTS: mostly gains and vectors, constant at the start and near it for long."""

STEP_BYTES = Factor(0.9, 1.4, 1.6)
LEVEL_BELOW_16 = Factor(1.0, 1.05, 1.22)

POOLED_ELEMENTS = 2**14
SCALAR_ELEMENTS = 2**14


def value_factor(scheme: Scheme, elements: int) -> Factor:
    """The factor of a store's codes or values."""
    if scheme.kind != "integer":
        if elements < SCALAR_ELEMENTS:
            return SCALARS
        return FLOAT16_VALUES if scheme.kind == "float16" else FLOAT32_VALUES
    if elements < POOLED_ELEMENTS:
        return POOLED_CODES
    assert scheme.clip is not None
    return STD_CODES if scheme.clip.kind == "std" else ABSMAX_CODES


def level_factor(codec: Codec) -> Factor:
    """What a lower compression level adds."""
    return LEVEL_BELOW_16 if codec.level < 16 else Factor(1.0, 1.0, 1.0)
