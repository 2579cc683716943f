"""The MLPs against their formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from loopspec.compiler.modules import GatedMlp, Mlp
from loopspec.compiler.modules.mlp import ACTIVATIONS

FORMULAS: dict[str, tuple[float | None, Callable[[np.ndarray], np.ndarray]]] = {
    "relu_squared": (None, lambda z: np.maximum(z, 0) ** 2),
    "leaky_relu_squared": (0.5, lambda z: np.where(z > 0, z, 0.5 * z) ** 2),
}


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def inputs() -> torch.Tensor:
    return torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1))


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def test_every_activation_has_its_formula_here() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_two_matrices_around_the_activation(name: str) -> None:
    slope, formula = FORMULAS[name]
    mlp, x = filled(Mlp(6, 8, name, negative_slope=slope)), inputs()
    expected = formula(array(x) @ array(mlp.up).T) @ array(mlp.down).T
    np.testing.assert_allclose(array(mlp(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "slope"), [("leaky_relu_squared", None), ("relu_squared", 0.5)])
def test_a_slope_is_given_exactly_where_it_is_used(name: str, slope: float | None) -> None:
    with pytest.raises(AssertionError, match=f"{name}: negative_slope {slope}"):
        Mlp(6, 8, name, negative_slope=slope)


def test_the_gate_of_a_gated_mlp_multiplies_what_goes_up() -> None:
    mlp, x = filled(GatedMlp(6, 8)), inputs()
    assert {name: tuple(p.shape) for name, p in mlp.named_parameters()} == {
        "gate": (8, 6),
        "up": (8, 6),
        "down": (6, 8),
    }
    gate = array(x) @ array(mlp.gate).T
    expected = (gate / (1 + np.exp(-gate)) * (array(x) @ array(mlp.up).T)) @ array(mlp.down).T
    np.testing.assert_allclose(array(mlp(x)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [Mlp, GatedMlp])
@pytest.mark.parametrize("slot", ["gate", "up", "down"])
def test_a_delta_equals_its_product_added_to_the_matrix(kind: type[Mlp | GatedMlp], slot: str) -> None:
    mlp, x, generator = filled(kind(6, 8)), inputs(), torch.Generator().manual_seed(2)
    outer, inner = getattr(mlp, slot, mlp.up).shape
    down = torch.randn(2, inner, generator=generator).requires_grad_()
    up = torch.randn(outer, 2, generator=generator).requires_grad_()
    deltas = {f"{slot}_delta_down": down, f"{slot}_delta_up": up}
    if kind is Mlp and slot == "gate":
        with pytest.raises(AssertionError, match="no such delta: gate_delta_down, gate_delta_up; slots: up, down"):
            mlp(x, **deltas)
        return
    plain, y = mlp(x), mlp(x, **deltas)
    y.sum().backward()
    assert all(delta.grad is not None and delta.grad.abs().max() > 0 for delta in (down, up))
    with torch.no_grad():
        mlp.get_parameter(slot).add_(up @ down)
    torch.testing.assert_close(y, mlp(x), rtol=1e-4, atol=1e-3)
    assert not torch.allclose(y, plain, atol=1e-2)
