"""Second moments of one store, summed over sites and batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..quantize.statistics import StoreStatistics
from .errors import CalibrationError

TOKENS_AT_ONCE = 8192
"""Rows of one product x^T x: bounds the memory of its weighted copy."""


class Moments:
    """Sums that become StoreStatistics. float32 as the products are; the sums of squares of gradients are float64."""

    def __init__(self, rows: int, cols: int, device: torch.device, *, gradients: bool) -> None:
        self._rows, self._cols, self._gradients = rows, cols, gradients
        self._inputs = torch.zeros(cols, cols, device=device)
        self._weighted = torch.zeros(cols if gradients else 0, cols if gradients else 0, device=device)
        self._outputs = torch.zeros(rows if gradients else 0, dtype=torch.float64, device=device)
        self._sites = 0

    def add_product(self, x: Tensor, gradient: Tensor | None) -> None:
        """A site of x (n, cols) whose output has this gradient (n, rows); None where gradients are not asked for."""
        for start in range(0, len(x), TOKENS_AT_ONCE):
            part = x[start : start + TOKENS_AT_ONCE].float()
            self._inputs += part.T @ part
            if gradient is not None:
                squares = gradient[start : start + TOKENS_AT_ONCE].float().square()
                scaled = part * squares.mean(dim=1, keepdim=True).sqrt()
                self._weighted += scaled.T @ scaled
                self._outputs += squares.sum(dim=0, dtype=torch.float64)

    def add_lookup(self, numbers: Tensor, gradient: Tensor | None) -> None:
        """A site that looks rows `numbers` (n,) up; gradient (n, cols)."""
        self._inputs.diagonal().add_(len(numbers) / self._rows)
        if gradient is not None:
            squares = gradient.float().square()
            self._weighted.diagonal().add_(squares.sum(dim=0) / self._rows)
            self._outputs.index_add_(0, numbers, squares.mean(dim=1, dtype=torch.float64))

    def count_sites(self, sites: int) -> None:
        """Sites seen in a batch; a mode that stops by the data has not always the same number, the most counts."""
        self._sites = max(self._sites, sites)

    def statistics(self, store: str, tokens: int) -> StoreStatistics:
        """Means over `tokens`. Raises CalibrationError where one is not finite."""
        arrays = [(sums / tokens).cpu().numpy() for sums in (self._inputs, self._weighted, self._outputs)]
        if not all(np.isfinite(array).all() for array in arrays):
            raise CalibrationError(
                f"store {store}: its inputs or gradients are not finite in calibration; the run diverged, "
                "pack an earlier checkpoint"
            )
        return StoreStatistics(tokens, self._sites, *arrays)
