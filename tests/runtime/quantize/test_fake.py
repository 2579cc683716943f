"""Fake quantization: the export's values, bit for bit, and a gradient that passes through."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.examples import examples

from loopspec.compiler.spec.published_schemes import PERCENTILES
from loopspec.compiler.spec.quantization import Clip, Gptq, RowBits, Scheme, Step
from loopspec.runtime.quantize import QuantizeError, decode, encode
from loopspec.runtime.quantize.fake import round_as_exported, straight_through

CLIPS = [
    Clip("absmax"),
    Clip("std", 2.5),
    Clip("std", 12.85),
    Clip("percentile", percentile=0.97),
    Clip("percentile_search", percentiles=(0.9, *PERCENTILES), choose="row"),
    Clip("percentile_search", percentiles=(0.9, *PERCENTILES), choose="store"),
]
STEPS = [
    Step(),
    Step("store"),
    Step("group", 10),
    Step(dtype="float32"),
    Step(floor=1 / 31, rounds_with="exact"),
    Step("group", 20, "float32", 1e-3),
]
SCHEMES = [Scheme("ternary"), Scheme("binary"), *(Scheme("integer", 6, clip) for clip in CLIPS)]


def exported(weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    return torch.from_numpy(decode(encode("w", weight.float().numpy(), scheme)))


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Negative zeros count."""
    return left.numpy().tobytes() == right.numpy().tobytes()


@pytest.mark.parametrize("clip", CLIPS, ids=str)
@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("shape", [(300, 65), (700,), (3, 4, 50)], ids=str)
def test_values_are_those_of_the_export(clip: Clip, bits: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(bits)
    weight = torch.randn(shape) * torch.logspace(-6, 2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    scheme = Scheme("integer", bits, clip)
    rounded = round_as_exported(weight, scheme, "w")
    assert rounded.shape == weight.shape and not torch.equal(rounded, weight)
    assert same_bits(rounded, exported(weight, scheme))


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_every_scheme_with_every_step(scheme: Scheme, step: Step) -> None:
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn(40, 65, generator=generator) * torch.logspace(-3, 1, 40)[:, None]
    weight[5], weight[:, 3] = 0, 0
    whole = replace(scheme, step=step)
    assert same_bits(round_as_exported(weight, whole, "w"), exported(weight, whole))


@examples(150)
@given(
    weights=arrays(np.float32, (3, 5), elements=st.floats(-60000, 60000, width=32)),
    bits=st.integers(2, 8),
    scheme=st.sampled_from([scheme for scheme in SCHEMES if scheme.clip is None or scheme.clip.kind != "std"]),
    step=st.sampled_from(STEPS),
)
def test_any_finite_rows(weights: np.ndarray, bits: int, scheme: Scheme, step: Step) -> None:
    """Rows of zeros, of subnormal steps, of ties and of equal errors among them."""
    whole = replace(scheme, step=step, bits=bits if scheme.kind == "integer" else None)
    weight = torch.from_numpy(weights)
    try:
        expected = exported(weight, whole)
    except QuantizeError:
        assert whole.clip is not None and whole.clip.kind == "percentile"
        return
    assert same_bits(round_as_exported(weight, whole, "w"), expected)


def test_gptq_is_not_known_and_rounds_to_nearest_on_its_grid() -> None:
    weight, scheme = torch.randn(4, 9), Scheme("integer", 4, Clip("absmax"))
    rounded = round_as_exported(weight, replace(scheme, gptq=Gptq()), "w")
    assert same_bits(rounded, exported(weight, scheme))


@pytest.mark.parametrize(
    "scheme",
    [
        Scheme("rate_distortion"),
        Scheme("integer", 6, Clip("sensitivity_std", k=12.85, strength=0.2)),
        Scheme("integer", 6, Clip("absmax"), row_bits=RowBits()),
        Scheme("integer", 6, Clip("absmax"), prune=0.1),
        Scheme("ternary", error_rank=2),
    ],
    ids=str,
)
def test_a_grid_that_training_cannot_know_is_an_error(scheme: Scheme) -> None:
    with pytest.raises(QuantizeError, match=r"store w: .* is not known while the model trains"):
        round_as_exported(torch.randn(4, 9), scheme, "w")


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
