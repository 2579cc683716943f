"""Quantizers that parameter-golf pull requests published, by names that say what they are.

Those of `SCHEMES` give the codes and steps of their originals, bit for bit. The floors make every row whose largest
magnitude is below 1 share one step, 1/31 or 1/127; they are part of the functions. Those of `DESCRIBED` follow what
the pull requests say of themselves. What no scheme expresses has a file of
its own in runtime/quantize.
"""

from __future__ import annotations

from .quantization import Clip, Gptq, RowBits, Scheme, Step

PERCENTILES = (0.999, 0.9995, 0.9999, 0.99999, 1.0)
NEARLY_ALL = 99.99984 / 100.0
"""The percentile of the challenge's int8."""

_SEARCHED_ROWS = Clip("percentile_search", percentiles=PERCENTILES, choose="row")
_SEARCHED_STORE = Clip("percentile_search", percentiles=PERCENTILES, choose="store")
_NEARLY_ALL = Clip("percentile", percentile=NEARLY_ALL)


def _exact(floor: float = 0.0) -> Step:
    return Step(floor=floor, rounds_with="exact")


def _gptq(damping: float) -> Scheme:
    return Scheme("integer", 6, _SEARCHED_ROWS, _exact(1 / 31), gptq=Gptq(damping, "rising", "inverse"))


SCHEMES: dict[str, Scheme] = {
    # Baseline train_gpt.py: matrices, and vectors with a step in float32.
    "challenge-int8-rows": Scheme("integer", 8, _NEARLY_ALL, _exact(1 / 127)),
    "challenge-int8-vector": Scheme("integer", 8, _NEARLY_ALL, Step(dtype="float32")),
    # PR 498: of five percentiles the best for the whole matrix; GPTQ-lite (PR 414) for each row has the steps below.
    "challenge-int6-rows": Scheme("integer", 6, _SEARCHED_STORE, Step(floor=1 / 31)),
    "challenge-int6-vector": Scheme("integer", 6, Clip("absmax")),
    # The best for each row, which are the steps of both GPTQs: the Micro Crawler's (PR 579, run 3 on), and "GS v7".
    "challenge-int6-row-search": Scheme("integer", 6, _SEARCHED_ROWS, _exact(1 / 31)),
    "challenge-int6-gptq": _gptq(0.002),
    "gs7-int6-gptq": _gptq(0.01),
    # PR 167: rows of one width; and 8 and 4 bits for the rows to which the loss reacts most and least.
    "pr167-int6-rows": Scheme("integer", 6, _NEARLY_ALL, _exact(1 / 31)),
    "pr167-mixed-rows": Scheme("integer", 6, _NEARLY_ALL, _exact(1e-7), row_bits=RowBits(8, 4, 0.1)),
    # What late quantization-aware training of PR 498 rounds to.
    "pr498-training-int6": Scheme("integer", 6, Clip("absmax"), Step(dtype="float32", floor=1 / 31)),
    # What the MLX script of PR 167 moves weights towards in training; see `mlx`.
    "mlx-training-int8": Scheme("integer", 8, Clip("absmax"), Step(dtype="float32", floor=1 / 127)),
}

_FACTOR = Gptq(0.01, "falling", "cholesky")

DESCRIBED: dict[str, Scheme] = {
    # PR 180: fewer bits for the MLP.
    "int5-rows": Scheme("integer", 5, _SEARCHED_STORE, Step(floor=1 / 15)),
    # PR 1394, "SDClip": k standard deviations, rounded by GPTQ, the embedding too.
    "std-int6-rows": Scheme("integer", 6, Clip("std", 12.85)),
    "std-int6-gptq": Scheme("integer", 6, Clip("std", 12.85), gptq=_FACTOR),
    "std-int8-gptq-embedding": Scheme("integer", 8, Clip("std", 20.0), gptq=_FACTOR),
    # PR 1412: more deviations for the rows to which the loss is sensitive.
    "sensitivity-std-int6-gptq": Scheme("integer", 6, Clip("sensitivity_std", 12.85, 0.175), gptq=_FACTOR),
    # PR 1626.
    "std-int7-gptq-embedding": Scheme("integer", 7, Clip("std", 15.0), gptq=_FACTOR),
    # PR 1855, "LQER", whose factors have 2 and 4 bits where these have 8.
    "low-rank-corrected-int6": Scheme("integer", 6, Clip("std", 12.85), gptq=_FACTOR, error_rank=4),
    # PR 640, without its correction of the steps.
    "ternary-groups": Scheme("ternary", step=Step("group", 128)),
}

PUBLISHED: dict[str, Scheme] = {
    name: scheme for name, scheme in (SCHEMES | DESCRIBED).items() if "-training-" not in name
}
"""By the names that `scheme: {kind: published, name: ...}` takes."""
