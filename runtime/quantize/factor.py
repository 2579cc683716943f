"""The order in which GPTQ takes columns, and how it passes a column's error on to those after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...compiler.spec.quantization import Gptq
from .arrays import Float32Array
from .errors import QuantizeError

Float64Array = npt.NDArray[np.float64]
SMALL = 64
"""Triangles up to this size are inverted as they are."""


@dataclass(frozen=True)
class Factor:
    """How an error spreads, for the columns of one Hessian.

    Attributes:
        order: (cols,), column numbers in the order they are rounded.
        spread: float32 (cols, cols) in that order, upper triangular: an error e of column j changes a later column k by
            -e spread[j, k]; its diagonal is one.
        scale: (cols,) in that order, U_jj: to leave an error e in column j costs (e / U_jj)^2, once all columns after
            it have made up for it.
        dead: bool (cols,), as stored: columns that no input reaches, with a zero on the Hessian's diagonal.
    """

    order: npt.NDArray[np.intp]
    spread: Float32Array
    scale: Float64Array
    dead: npt.NDArray[np.bool_]

    @cached_property
    def column_scale(self) -> Float64Array:
        """(cols,), `scale` as the columns are stored."""
        scale = np.empty_like(self.scale)
        scale[self.order] = self.scale
        return scale


def factorise(hessian: npt.NDArray[np.floating], gptq: Gptq, store: str) -> Factor:
    """The factor of a Hessian (cols, cols), damped and ordered as `gptq` says; in float64, as small damping needs.

    `cholesky`: U with U^T U = H^-1 (arXiv 2210.17323); dead columns get the mean diagonal of the others. The paper's
    code gives them one, which is a mean of its inputs; under a Hessian of small numbers the damping, a share of the
    mean, would drown all other columns. `inverse`: H^-1 itself (parameter-golf PR 1019), its dead columns as they are.

    Raises:
        QuantizeError: the Hessian is zero, not finite, or not positive definite even when damped.
    """
    dense = np.array(hessian, dtype=np.float64)
    diagonal = np.diagonal(dense).copy()
    if not np.isfinite(dense).all() or (diagonal < 0).any():
        raise QuantizeError(f"store {store}: its Hessian is not finite; calibrate an earlier checkpoint")
    dead = diagonal == 0
    if dead.all():
        raise QuantizeError(
            f"store {store}: no calibration input reached it, its Hessian is zero, so GPTQ would round to nearest; "
            "calibrate on more tokens or in a mode that reads it, or give it a scheme without gptq"
        )
    if gptq.factor == "cholesky":
        dense[dead, dead] = diagonal[~dead].mean()
    dense[np.diag_indices_from(dense)] += gptq.damping * np.diagonal(dense).mean()
    order = _order(np.diagonal(dense), gptq)
    ordered = dense[np.ix_(order, order)]
    upper = _inverse_cholesky(ordered, gptq, store)
    if gptq.factor == "inverse":
        upper = np.triu(upper.T @ upper)
    scale = np.diagonal(upper).copy()
    return Factor(order, (upper / scale[:, None]).astype(np.float32), scale, dead)


def _order(diagonal: Float64Array, gptq: Gptq) -> npt.NDArray[np.intp]:
    if gptq.order == "stored":
        return np.arange(len(diagonal))
    return np.argsort(diagonal if gptq.order == "rising" else -diagonal, kind="stable")


def _inverse_cholesky(dense: Float64Array, gptq: Gptq, store: str) -> Float64Array:
    """Upper U with U^T U = H^-1: H = M M^T with M upper triangular, the Cholesky factor from the far end; U = M^-1."""
    try:
        flipped = np.linalg.cholesky(dense[::-1, ::-1])
    except np.linalg.LinAlgError:
        raise QuantizeError(
            f"store {store}: its Hessian is not positive definite with damping {gptq.damping:g}; raise gptq.damping, "
            "or calibrate on more tokens"
        ) from None
    return _invert_upper(np.ascontiguousarray(flipped[::-1, ::-1]))


def _invert_upper(triangle: Float64Array) -> Float64Array:
    """The inverse of an upper triangular matrix by halves: a third of a general inverse's work, and as exact."""
    size = len(triangle)
    if size <= SMALL:
        return np.triu(np.linalg.inv(triangle))
    half = size // 2
    inverse = np.zeros_like(triangle)
    inverse[:half, :half] = first = _invert_upper(triangle[:half, :half])
    inverse[half:, half:] = second = _invert_upper(triangle[half:, half:])
    inverse[:half, half:] = -first @ (triangle[:half, half:] @ second)
    return inverse
