"""How sharply the loss reacts to each row of each store, from gradients on training tokens.

With G_b the gradient of batch b's mean loss (nats a token, as it is scored: no label smoothing, no further losses) and
n the tokens of a batch, for row r of a store:

- gradient norm: mean over b of |G_b,r|, as in parameter-golf PR 167, which read validation tokens for it.
- Fisher: n * mean over b of |G_b,r|^2, the trace of the row's empirical Fisher matrix per token. (Tokens' gradients
  are taken as uncorrelated, so that n G_b G_b^T estimates the mean of their outer products. Far from an optimum this
  is too large, since the mean gradient is in it.)
- loss increase: 1/2 * n * mean over b of sum_j (G_b,rj e_rj)^2, in nats a token, with e = stored - trained weight under
  the spec's own scheme, or, where that needs calibration, its nearest that does not. Rounding noise of another step s
  is e^2 = s^2 / 12 a weight, and comes to Fisher * s^2 / 24.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ...compiler.plan import Plan, PlannedStore
from ...compiler.spec.quantization import Clip, Scheme
from ..quantize import decode, encode, row_shape
from .errors import AnalysisError
from .windows import Windows

Rows = npt.NDArray[np.float64]

FIGURES = ("gradient_norm", "fisher", "loss_increase", "absmax", "std")


@dataclass(frozen=True, slots=True, eq=False)
class StoreSensitivity:
    """One store of the artifact; each figure is (rows,). A vector or a number is one row.

    Attributes:
        scheme: which `loss_increase` is of; see `uncalibrated`.
        absmax, std: largest magnitude and standard deviation of the row's weights, which steps are made from.
    """

    name: str
    shape: tuple[int, ...]
    scheme: str
    gradient_norm: Rows
    fisher: Rows
    loss_increase: Rows
    absmax: Rows
    std: Rows

    def figures(self) -> dict[str, Rows]:
        """All figures by name."""
        return {name: getattr(self, name) for name in FIGURES}


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Every store of the artifact, in its order.

    Attributes:
        about: spec, hashes of spec and weights, and the tokens that it was measured on; see `sensitivity_record`.
    """

    about: Mapping[str, Any]
    stores: tuple[StoreSensitivity, ...]


def measure_sensitivity(
    plan: Plan, module: nn.Module, windows: Windows, done: Callable[[int], None] = lambda count: None
) -> tuple[StoreSensitivity, ...]:
    """One forward and backward pass a batch, in evaluation; `done` is told how many have run.

    Raises:
        AnalysisError: a gradient is not finite.
        QuantizeError: a store holds what its scheme cannot keep.
    """
    parameters = {store.name: dict(module.named_parameters())[store.name] for store in plan.exported_stores}
    norms = {name: torch.zeros(row_shape(tuple(value.shape))[0]).double() for name, value in parameters.items()}
    squares = {name: torch.zeros(row_shape(tuple(value.shape))).double() for name, value in parameters.items()}
    module.eval()
    for count, (tokens, targets) in enumerate(windows.batches(), 1):
        module.zero_grad(set_to_none=True)
        loss: Tensor = module(tokens, targets, mode=windows.mode)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, value in parameters.items():
            if value.grad is not None:
                rows = _finite(name, value.grad).reshape(squares[name].shape).double()
                norms[name] += torch.linalg.vector_norm(rows, dim=1)
                squares[name] += rows.square()
        done(count)
    module.zero_grad(set_to_none=True)
    tokens_a_batch = windows.sequences * windows.length
    return tuple(
        _store(store, parameters[store.name], norms[store.name] / windows.count, squares[store.name] * factor)
        for store in plan.exported_stores
        for factor in [tokens_a_batch / windows.count]
    )


def uncalibrated(scheme: Scheme) -> Scheme:
    """`scheme` itself, or what is nearest to it of all that need no calibration.

    Rounding to nearest for GPTQ, equal bits for all rows, `std` for `sensitivity_std`; six bits a weight for a
    rate-distortion grid, whose steps the budget fixes.
    """
    if scheme.kind == "rate_distortion":
        return Scheme("integer", 6, Clip("absmax"))
    if not scheme.calibrated:
        return scheme
    clip = scheme.clip
    if clip is not None and clip.kind == "sensitivity_std":
        clip = Clip("std", clip.k)
    return replace(scheme, clip=clip, gptq=None, row_bits=None)


def weights_sha256(plan: Plan, module: nn.Module) -> str:
    """Of the artifact's stores in its order, as little-endian float32."""
    digest = hashlib.sha256()
    parameters = dict(module.named_parameters())
    for store in plan.exported_stores:
        digest.update(_array(parameters[store.name]).astype("<f4").tobytes())
    return digest.hexdigest()


def _finite(name: str, gradient: Tensor) -> Tensor:
    if not bool(torch.isfinite(gradient).all()):
        raise AnalysisError(f"the gradient of {name} is not finite; the weights cannot be used, train again")
    return gradient


def _store(store: PlannedStore, parameter: Tensor, norms: Tensor, fisher: Tensor) -> StoreSensitivity:
    """`fisher` is the diagonal, one number a weight, in rows."""
    weights = _array(parameter)
    shape = row_shape(weights.shape)
    scheme = uncalibrated(store.scheme)
    errors = (decode(encode(store.name, weights, scheme)).astype(np.float64) - weights).reshape(shape)
    diagonal, rows = fisher.numpy(), weights.reshape(shape).astype(np.float64)
    return StoreSensitivity(
        name=store.name,
        shape=store.shape,
        scheme=str(scheme),
        gradient_norm=norms.numpy(),
        fisher=diagonal.sum(axis=1),
        loss_increase=(diagonal * errors**2).sum(axis=1) / 2,
        absmax=np.abs(rows).max(axis=1),
        std=rows.std(axis=1),
    )


def _array(parameter: Tensor) -> npt.NDArray[np.float32]:
    return parameter.detach().float().cpu().numpy()
