"""The nuclear-norm penalty as a proximal step: the singular values of chosen matrices fall, none below 0."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...compiler.passes.penalties import shrunk_stores
from ...compiler.plan import Plan


class NuclearNorm:
    """`train.penalties.nuclear_norm` of a run; without one in the spec it acts on nothing.

    Attributes:
        parameters: the matrices that it shrinks, by store name, in plan order.
        every: steps from one shrinking to the next.
        weight: what is taken off each singular value, times the learning-rate multiplier.
    """

    def __init__(self, plan: Plan, parameters: Mapping[str, nn.Parameter]) -> None:
        options = plan.spec.train.penalties.nuclear_norm
        self.every = 0 if options is None else options.every
        self.weight = 0.0 if options is None else options.weight
        groups = {store.name: store.group for store in plan.stores}
        self.parameters = {name: parameters[name] for name in shrunk_stores(options, plan.graph.stores, groups)}

    @torch.no_grad()
    def apply(self, step: int, lr_scale: float) -> int:
        """Shrink, if the step is due; to be called after the optimizers' update.

        Args:
            step: optimizer steps done, with this one; due is every multiple of `every`.
            lr_scale: the step's learning-rate multiplier.

        Returns:
            How many matrices were shrunk.
        """
        threshold = self.weight * lr_scale
        if self.every == 0 or step % self.every or threshold == 0:
            return 0
        for parameter in self.parameters.values():
            parameter.copy_(shrink_singular_values(parameter, threshold))
        return len(self.parameters)


def shrink_singular_values(matrix: Tensor, threshold: float) -> Tensor:
    """U max(S - threshold, 0) V^T of a matrix (rows, cols): the proximal map of threshold * (sum of singular values).

    Computed in float32 at least, and given in the matrix's dtype.
    """
    wide = matrix if matrix.dtype == torch.float64 else matrix.float()
    left, values, right = torch.linalg.svd(wide, full_matrices=False)
    shrunk: Tensor = (left * (values - threshold).clamp_min(0)) @ right
    return shrunk.to(matrix.dtype)
