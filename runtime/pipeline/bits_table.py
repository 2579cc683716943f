"""What each store got: bytes, bits a weight, and what its rounding is predicted to cost in loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...compiler.plan import Plan
from ..quantize import decode
from ..quantize.grid import predicted_loss
from .packing import Packed

MICRO = 1e6
MOST_LOSS, LEAST_BITS = 0.5, 1.0
"""Nats a token and bits a weight beyond which an artifact is of little use: uniform guessing is a few nats away."""


@dataclass(frozen=True, slots=True)
class StoreBits:
    """One store of an artifact.

    Attributes:
        bytes: its share of the file, header and side information of the coder left out.
        loss: predicted rise of the loss in nats a token; None where nothing was calibrated.
    """

    name: str
    scheme: str
    elements: int
    bytes: int
    loss: float | None

    @property
    def bits(self) -> float:
        """Bits a weight."""
        return 8 * self.bytes / self.elements


def store_bits(plan: Plan, packed: Packed, weights: Mapping[str, npt.NDArray[np.float32]]) -> list[StoreBits]:
    """Every store, in the artifact's order; `weights` are those that were packed."""
    rows = []
    for store in plan.exported_stores:
        known = packed.statistics.get(store.name)
        decoded = decode(packed.contents.stores[store.name])
        loss = None if known is None else predicted_loss(weights[store.name], decoded, known)
        size = packed.summary.store_bytes[store.name]
        rows.append(StoreBits(store.name, str(store.scheme), store.elements, size, loss))
    return rows


def bits_text(rows: list[StoreBits]) -> str:
    """A table of at most 80 columns, by bytes, and what its last column means."""
    lines = [f"{'store':40} {'scheme':17} {'bytes':>9} {'bits':>5} {'loss/1e6':>8}"]
    for row in sorted(rows, key=lambda each: -each.bytes):
        loss = "-" if row.loss is None else f"{MICRO * row.loss:.0f}"
        lines.append(f"{_cut(row.name, 40):40} {_cut(row.scheme, 17):17} {row.bytes:>9,} {row.bits:5.2f} {loss:>8}")
    known = [row.loss for row in rows if row.loss is not None]
    total, elements = sum(row.bytes for row in rows), sum(row.elements for row in rows)
    loss = f"{MICRO * sum(known):.0f}" if known else "-"
    lines.append(f"{'all':40} {'':17} {total:>9,} {8 * total / elements:5.2f} {loss:>8}")
    lines.append("loss/1e6: predicted rise of the loss, in millionths of a nat a token")
    return "\n".join(lines)


def strain_text(plan: Plan, packed: Packed) -> str | None:
    """What is to be said where the quantized stores got very few bits, or lose much by it; None otherwise.

    Where the budget sets the steps of some stores, these count alone.
    """
    codes = {} if packed.allocation is None else packed.allocation.codes
    coded = [store for store in plan.exported_stores if (store.name in codes if codes else store.scheme.coded)]
    if not coded:
        return None
    sizes = [8 * packed.summary.store_bytes[store.name] for store in coded]
    mean = sum(sizes) / sum(store.elements for store in coded)
    loss = sum(each.loss for each in codes.values())  # 0 where nothing is known of it
    if mean >= LEAST_BITS and loss <= MOST_LOSS:
        return None
    fewer = sum(size < LEAST_BITS * store.elements for size, store in zip(sizes, coded, strict=True))
    predicted = f", predicted to raise the loss by {loss:.2g} nats a token" if codes else ""
    return (
        f"few bits: {mean:.2f} a weight{predicted}; {fewer} of {len(coded)} quantized stores have less than "
        f"{LEAST_BITS:g}; score the artifact, or give it more bytes"
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[3 - width :]
