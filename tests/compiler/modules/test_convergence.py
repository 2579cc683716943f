"""The relative change of a stream."""

from __future__ import annotations

import numpy as np
import torch

from loopspec.compiler.modules import relative_change


def test_the_change_is_relative_to_what_was() -> None:
    generator = torch.Generator().manual_seed(0)
    x, before = (torch.randn(2, 3, 4, generator=generator) for _ in range(2))
    change = relative_change(x, before)
    a, b = x.double().numpy(), before.double().numpy()
    np.testing.assert_allclose(change.item(), np.sqrt(((a - b) ** 2).mean()) / np.sqrt((b**2).mean()), rtol=1e-6)
    assert change.shape == () and change.dtype == torch.float32
    torch.testing.assert_close(relative_change(5 * x, 5 * before), change)


def test_from_zero_and_to_itself_it_is_finite() -> None:
    x = torch.full((1, 2, 4), 3.0, dtype=torch.bfloat16)
    assert relative_change(x, x) == 0
    torch.testing.assert_close(relative_change(x, torch.zeros_like(x)), torch.tensor(3e8))
    assert relative_change(x, x + 1).dtype == torch.float32
