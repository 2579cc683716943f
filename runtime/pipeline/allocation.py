"""The rate-distortion stores of a model: one lambda for all, found after training so that the budget is filled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log2

import numpy as np
import numpy.typing as npt

from ...compiler.plan import Plan
from ...compiler.source.wording import few
from ...compiler.spec.quantization import Codec
from ..artifact import ArtifactContents, ArtifactSummary
from ..artifact.builder import build_artifact, build_frame
from ..quantize import EncodedStore, QuantizeError
from ..quantize.grid import PER_OCTAVE, Grid, GridCodes, encode_grid, encode_grid_codes, grid_codes, plan_grid
from ..quantize.landing import Landing, Window, land
from ..quantize.plain_grid import encode_plain_grid
from ..quantize.statistics import StoreStatistics
from ..quantize.storage import row_shape
from .quick_size import quick_bytes, sample

Weights = Mapping[str, npt.NDArray[np.float32]]
Note = Callable[[str], None]
Built = tuple[ArtifactContents, dict[str, GridCodes], tuple[bytes, ArtifactSummary]]

SLACK, LEAST_SLACK = 4e-4, 400
"""A size is good enough where it lies below the limit by at most this share of it, or so many bytes."""

COARSEST = 4.0
"""At the coarsest lambda every step is so many times the largest weight, so that every code is zero."""
LEAST = 1e-9
"""No lambda is looked for below this share of the coarsest, where every grid has long ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """What the search chose.

    Attributes:
        contents, whole, summary: the artifact, its bytes and what it is made of.
        codes: of these stores by name, with the predicted rise of the loss.
        lam: square root of the loss that a weight's error may cost; every step is in proportion to it.
    """

    contents: ArtifactContents
    whole: bytes
    summary: ArtifactSummary
    codes: dict[str, GridCodes]
    lam: float
    landing: Landing
    limit: int

    @property
    def text(self) -> str:
        """One line for people."""
        below = f"{self.limit - self.landing.size:,} bytes below {self.limit:,}"
        clamped = sum(codes.clamped for codes in self.codes.values())
        end = "; every store is at the finest end of its grid" if self.landing.at_end else ""
        held = f"; {clamped:,} weights at the ends of their grids" if clamped else ""
        worse = [name for name, codes in self.codes.items() if codes.loss > codes.nearest_loss]
        lost = f"; GPTQ lost to rounding on {len(worse)} stores" if worse else ""
        trials = f"{self.landing.trials} trial" + ("s" if self.landing.trials > 1 else "")
        return f"lambda {self.lam:.4g} after {trials}: {below}{end}{held}{lost}"


def allocate(
    plan: Plan,
    weights: Weights,
    statistics: Mapping[str, StoreStatistics],
    others: ArtifactContents,
    limit: int,
    note: Note,
) -> Allocation:
    """Encodes the stores of kind rate_distortion so that the artifact of all stores lands just under `limit` bytes.

    Args:
        weights: float32 by store.
        others: the artifact without these stores.
        limit: of the artifact's file.

    Raises:
        QuantizeError: the artifact does not fit even with all of these weights zero, or no gradient reaches any.
    """
    names = [store.name for store in plan.exported_stores if store.scheme.kind == "rate_distortion"]
    reached = [name for name in names if statistics[name].weighted.any()]
    unreached = {name: encode_plain_grid(name, weights[name]) for name in names if name not in reached}
    if unreached:
        note(f"no gradient reaches {few(list(unreached))}: one step each, 8 bits, whatever the budget")
    others = replace(others, stores=others.stores | unreached)
    if not reached:
        raise QuantizeError("no gradient reaches any store that could be fitted to the budget; train the model first")
    grids = {name: plan_grid(name, weights[name], statistics[name]) for name in reached}
    search = _Search(plan, weights, grids, others, note)
    slack = max(round(SLACK * limit), LEAST_SLACK)
    landing = land(search.real, search.estimate, Window(limit - slack, limit, search.finest, search.coarsest))
    contents, codes, (whole, summary) = search.built(landing.coarseness)
    return Allocation(contents, whole, summary, codes, 2.0**landing.coarseness, landing, limit)


def stored_at(
    name: str, array: npt.NDArray[np.float32], statistics: StoreStatistics | None, lam: float
) -> EncodedStore:
    """A store of kind rate_distortion at this lambda; one that no gradient reaches has its own step."""
    if statistics is None or not statistics.weighted.any():
        return encode_plain_grid(name, array)
    return encode_grid(name, array, plan_grid(name, array, statistics), lam)


class _Search:
    """Sizes at a coarseness, which is log2 of lambda."""

    def __init__(
        self, plan: Plan, weights: Weights, grids: Mapping[str, Grid], others: ArtifactContents, note: Note
    ) -> None:
        self._plan, self._weights, self._grids, self._others, self._note = plan, weights, grids, others, note
        largest = max(_reach(weights[name], grid) for name, grid in grids.items())
        self.coarsest = log2(COARSEST * largest)
        self.finest = log2(max(min(grid.finest for grid in grids.values()), LEAST * largest))
        self._fixed = build_frame(self.contents(self._zeros()), Codec("rans")).fixed_bytes
        self._samples = {name: sample(weights[name], grid) for name, grid in grids.items()}
        self._last: tuple[float, Built] | None = None

    def real(self, coarseness: float) -> int:
        """Bytes of the artifact, which is built for it."""
        size = self.built(coarseness)[2][1].bytes
        self._note(f"lambda {2.0**coarseness:.4g}: {size:,} bytes")
        return size

    def estimate(self, coarseness: float) -> float:
        """About the bytes of the artifact, by a part of each matrix under rans, whatever its codec."""
        return self._fixed + quick_bytes(self._samples, 2.0**coarseness)

    def built(self, coarseness: float) -> Built:
        """The artifact and the codes in it; those of the last call are kept."""
        if self._last is None or self._last[0] != coarseness:
            self._last = (coarseness, self._built(2.0**coarseness))
        return self._last[1]

    def _built(self, lam: float) -> Built:
        codes, stores = {}, {}
        for name, grid in self._grids.items():
            codes[name] = grid_codes(self._weights[name], grid, lam)
            stores[name] = encode_grid_codes(name, self._weights[name].shape, grid, lam, codes[name].codes)
        contents = self.contents(stores)
        return contents, codes, build_artifact(contents, self._plan.spec.quantization.codec)

    def _zeros(self) -> dict[str, EncodedStore]:
        """The stores at the coarsest lambda, with codes of zero."""
        shapes = {name: self._weights[name].shape for name in self._grids}
        zeros = {name: np.zeros(row_shape(shape), np.int8) for name, shape in shapes.items()}
        lam = 2.0**self.coarsest
        return {name: encode_grid_codes(name, shapes[name], self._grids[name], lam, zeros[name]) for name in shapes}

    def contents(self, stores: Mapping[str, EncodedStore]) -> ArtifactContents:
        """Of the whole artifact with these stores, in plan order."""
        known = self._others.stores | dict(stores)
        return replace(self._others, stores={store.name: known[store.name] for store in self._plan.exported_stores})


def _reach(weights: npt.NDArray[np.float32], grid: Grid) -> float:
    """Lambda at which the store's largest weight is one step, or more; a little for a store of zeros."""
    smallest: float = grid.base * 2.0 ** ((int(grid.rows.min()) + int(grid.planned_columns.min())) / PER_OCTAVE)
    return max(float(np.abs(weights).max()), 1e-12) / smallest
