"""What the cost model says that autograd keeps for an activation is what autograd keeps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from loopspec.compiler.modules.head import cross_entropy
from loopspec.compiler.modules.mlp import ACTIVATIONS, GatedMlp, Mlp
from loopspec.compiler.operations import OPERATIONS, SiteContext
from loopspec.compiler.operations.sublayers import ACTIVATION_KEPT

DIM, HIDDEN, TOKENS = 8, 40, 5


def built(activation: str) -> nn.Module:
    if activation == "swiglu":
        return GatedMlp(DIM, HIDDEN)
    return Mlp(DIM, HIDDEN, activation, negative_slope=0.5 if activation.startswith("leaky") else None)


def saved_features(layer: nn.Module) -> int:
    """Elements a token of all distinct tensors that a forward pass keeps, without the parameters."""
    kept: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    x = torch.randn(1, TOKENS, DIM, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = layer(x)  # holds the graph, so that no storage is freed and met again
    assert alive.requires_grad
    return sum(kept.values()) // TOKENS


@pytest.mark.parametrize("z_loss", [0.0, 0.5])
def test_the_loss_keeps_what_the_plan_counts(z_loss: float) -> None:
    logits, targets = torch.randn(1, TOKENS, HIDDEN, requires_grad=True), torch.zeros(1, TOKENS, dtype=torch.long)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point() and tensor.numel() >= TOKENS:  # not targets, nor the sum of weights
            kept[tensor.untyped_storage().data_ptr()] = tensor.numel() // TOKENS
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = cross_entropy(2 * logits, targets, z_loss=z_loss)
    assert alive.requires_grad
    context = SiteContext({"z_loss": z_loss} if z_loss else {}, {"logits": HIDDEN, "targets": 1}, {}, 1)
    counted = OPERATIONS["cross_entropy"].kept(context)
    assert counted == sum(kept.values())


def test_every_activation_has_a_count() -> None:
    assert set(ACTIVATION_KEPT) == {*ACTIVATIONS, "swiglu"}


@pytest.mark.parametrize("activation", ACTIVATION_KEPT)
def test_an_mlp_keeps_what_the_plan_counts(activation: str) -> None:
    layer = built(activation)
    slots = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    context = SiteContext({"activation": activation}, {"x": DIM}, slots, DIM)
    assert OPERATIONS["mlp"].kept(context) == saved_features(layer)
