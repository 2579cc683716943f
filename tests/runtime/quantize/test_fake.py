"""Fake quantization: the export's values, bit for bit, and a gradient that passes through."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loopspec.compiler.spec.quantization import Clip, Scheme
from loopspec.runtime.quantize import decode, encode
from loopspec.runtime.quantize.fake import LIMITS, nearest_half, round_as_exported, straight_through

CLIPS = [Clip("absmax"), Clip("std", 2.5), Clip("std", 12.85)]


def exported(weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    return torch.from_numpy(decode(encode("w", weight.float().numpy(), scheme)))


@pytest.mark.parametrize("clip", CLIPS, ids=str)
@pytest.mark.parametrize("bits", [2, 4, 6, 8])
@pytest.mark.parametrize("shape", [(300, 65), (700,), (3, 4, 50)], ids=str)
def test_values_are_those_of_the_export(clip: Clip, bits: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(bits)
    weight = torch.randn(shape) * torch.logspace(-6, 2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    scheme = Scheme("integer", bits, clip)
    rounded = round_as_exported(weight, scheme, "w")
    assert rounded.shape == weight.shape and not torch.equal(rounded, weight)
    assert torch.equal(rounded, exported(weight, scheme))


@settings(max_examples=150, deadline=None)
@given(
    weights=arrays(np.float32, (3, 5), elements=st.floats(-60000, 60000, width=32)),
    bits=st.integers(2, 8),
)
def test_any_finite_rows(weights: np.ndarray, bits: int) -> None:
    """Rows of zeros, of subnormal steps and of ties among them."""
    scheme = Scheme("integer", bits, Clip("absmax"))
    weight = torch.from_numpy(weights)
    assert torch.equal(round_as_exported(weight, scheme, "w"), exported(weight, scheme))


@settings(max_examples=300, deadline=None)
@given(value=st.floats(0, 65504) | st.floats(0, 1e-5) | st.floats(0.0, 1.0).map(lambda x: 1 + 2**-11 + x * 2**-40))
def test_steps_are_rounded_once(value: float) -> None:
    expected = float(np.float64(value).astype(np.float16))
    assert nearest_half(torch.tensor([value], dtype=torch.float64)).item() == expected


def test_a_value_that_a_cast_by_way_of_float32_rounds_wrongly() -> None:
    just_above = torch.tensor([1 + 2**-11 + 2**-40], dtype=torch.float64)
    assert nearest_half(just_above).item() == 1 + 2**-10
    assert just_above.float().half().item() == 1.0


def test_a_clip_without_a_rule_of_its_own_goes_through_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, scheme = torch.randn(4, 9), Scheme("integer", 5, Clip("absmax"))
    monkeypatch.delitem(LIMITS, "absmax")
    assert torch.equal(round_as_exported(weight, scheme, "w"), exported(weight, scheme))


def test_a_narrow_weight_keeps_its_dtype() -> None:
    weight, scheme = torch.randn(4, 9).bfloat16(), Scheme("integer", 5, Clip("absmax"))
    rounded = round_as_exported(weight, scheme, "w")
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(rounded, exported(weight, scheme).bfloat16())


def test_the_gradient_passes_through() -> None:
    weight = torch.randn(4, 9, requires_grad=True)
    rounded = round_as_exported(weight, Scheme("integer", 3, Clip("std", 1.0)), "w")
    assert not rounded.requires_grad
    factor = torch.randn(4, 9)
    used = straight_through(weight, rounded)
    assert torch.equal(used, rounded)
    (used * factor).sum().backward()
    assert weight.grad is not None and torch.equal(weight.grad, factor)
