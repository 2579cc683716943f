"""Quantiles as torch.quantile has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.examples import examples

from loopspec.compiler.spec.published_schemes import NEARLY_ALL, PERCENTILES
from loopspec.runtime.quantize.fake_steps import quantiles
from loopspec.runtime.quantize.quantile import place_of, row_quantiles

SHARES = (*PERCENTILES, NEARLY_ALL, 0.5, 0.1, 0.9, 0.25)


def within_one_bit(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """torch's lerp is one fused operation only where its build vectorises it."""
    return bool((np.abs(ours - theirs) <= np.spacing(np.maximum(ours, theirs))).all())


@examples(100)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 9)), elements=st.floats(0, 2.0**99, width=32)),
    st.sampled_from(SHARES) | st.floats(1e-6, 1.0),
)
def test_rows_of_any_width(rows: np.ndarray, share: float) -> None:
    theirs = torch.quantile(torch.from_numpy(rows), share, dim=1).numpy()
    assert within_one_bit(row_quantiles(rows, [share])[0], theirs)


@pytest.mark.parametrize("width", [640, 2560])
def test_widths_of_the_published_models(width: int) -> None:
    rows = np.abs(np.random.default_rng(width).standard_normal((50, width))).astype(np.float32)
    ours = row_quantiles(rows, SHARES)
    device = quantiles(torch.from_numpy(rows), SHARES)
    for found, on_device, share in zip(ours, device, SHARES, strict=True):
        assert within_one_bit(found, torch.quantile(torch.from_numpy(rows), share, dim=1).numpy())
        assert np.array_equal(found, on_device[:, 0].numpy())


def test_the_last_rank_is_never_past_the_end() -> None:
    """float32 rounds 2^24 + 1 values' last rank down, and 2^24 + 3 values' up."""
    for count in (2**24 + 1, 2**24 + 2, 2**24 + 3, 2**24 + 4, 28_000_003):
        below, above, weight = place_of(1.0, count)
        assert below <= above <= count - 1 and 0 <= weight < 1 and count - 1 - above <= 2
