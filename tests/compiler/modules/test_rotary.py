"""Rotary tables against a float64 reference, and what rotation keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from loopspec.compiler.modules.rotary import apply_rotary, rotary_table


def reference_angles(length: int, dims: int, base: float, ntk_reference: int | None) -> np.ndarray:
    """(T, dims / 2) in float64."""
    if ntk_reference is not None and length > ntk_reference:
        base *= (length / ntk_reference) ** (dims / (dims - 2))
    frequencies = base ** -(np.arange(0, dims, 2) / dims)
    return np.arange(length)[:, None] * frequencies


@pytest.mark.parametrize(
    ("length", "dims", "base", "ntk_reference"),
    [(1, 2, 10000.0, None), (40, 16, 10000.0, None), (16, 8, 500.0, 16), (17, 8, 500.0, 16), (64, 16, 10000.0, 16)],
)
def test_the_table_equals_the_reference(length: int, dims: int, base: float, ntk_reference: int | None) -> None:
    cos, sin = rotary_table(torch.zeros(2, length, dtype=torch.long), dims, base, ntk_reference)
    angles = reference_angles(length, dims, base, ntk_reference)
    assert cos.shape == sin.shape == (length, 1, dims // 2)
    assert cos.dtype == sin.dtype == torch.float32
    np.testing.assert_allclose(cos[:, 0].numpy(), np.cos(angles), rtol=0, atol=1e-5)
    np.testing.assert_allclose(sin[:, 0].numpy(), np.sin(angles), rtol=0, atol=1e-5)


def test_ntk_acts_beyond_its_reference_only() -> None:
    def table(length: int, ntk_reference: int | None) -> torch.Tensor:
        return rotary_table(torch.zeros(1, length), 8, 10000.0, ntk_reference)[0]

    assert torch.equal(table(16, 16), table(16, None))
    assert not torch.allclose(table(17, 16), table(17, None), atol=1e-3)


def test_split_halves_turn_by_minus_the_angle_and_the_rest_passes() -> None:
    x = torch.randn(2, 9, 3, 10, generator=torch.Generator().manual_seed(0))
    rotary = rotary_table(torch.zeros(2, 9), 6, 100.0)
    turned = apply_rotary(x, rotary)
    pairs = torch.complex(x[..., :3].double(), x[..., 3:6].double())
    angles = torch.from_numpy(reference_angles(9, 6, 100.0, None))[:, None, :]
    expected = pairs * torch.exp(-1j * angles)
    torch.testing.assert_close(turned[..., :3].double(), expected.real, rtol=0, atol=1e-5)
    torch.testing.assert_close(turned[..., 3:6].double(), expected.imag, rtol=0, atol=1e-5)
    assert torch.equal(turned[..., 6:], x[..., 6:])


def test_scores_depend_on_distance_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    rotary = rotary_table(torch.zeros(1, 12), 8, 50.0)
    q, k = (apply_rotary(torch.randn(8, generator=generator).expand(1, 12, 1, 8), rotary)[0, :, 0] for _ in range(2))
    scores = q @ k.T
    for distance in range(12):
        diagonal = scores.diagonal(-distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), rtol=0, atol=1e-5)
    assert abs(scores[0, 0] - scores[3, 0]) > 1e-3


def test_the_ntk_exponent_may_be_that_of_the_whole_head() -> None:
    grown = rotary_table(torch.zeros(1, 40), 8, 10000.0, 16, ntk_exponent=64)
    base = 10000.0 * (40 / 16) ** (64 / 62)
    for got, expected in zip(grown, rotary_table(torch.zeros(1, 40), 8, base), strict=True):
        assert torch.equal(got, expected)
    assert not torch.equal(grown[0], rotary_table(torch.zeros(1, 40), 8, 10000.0, 16)[0])


def test_forward_turns_by_plus_the_angle() -> None:
    x = torch.randn(1, 9, 2, 6, generator=torch.Generator().manual_seed(2))
    turned = apply_rotary(x, rotary_table(x[..., 0, 0], 6, 100.0, direction="forward"))
    pairs = torch.complex(x[..., :3].double(), x[..., 3:].double())
    expected = pairs * torch.exp(1j * torch.from_numpy(reference_angles(9, 6, 100.0, None))[:, None, :])
    torch.testing.assert_close(turned.double(), torch.cat((expected.real, expected.imag), -1), rtol=0, atol=1e-5)
    back = apply_rotary(turned, rotary_table(x[..., 0, 0], 6, 100.0))
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(AssertionError, match="sideways"):
        rotary_table(torch.zeros(1, 4), 4, 100.0, direction="sideways")
