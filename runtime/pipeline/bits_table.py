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
    """A table of at most 80 columns, by bytes; losses in millionths of a nat."""
    lines = [f"{'store':40} {'scheme':17} {'bytes':>9} {'bits':>5} {'loss/1e6':>8}"]
    for row in sorted(rows, key=lambda each: -each.bytes):
        loss = "-" if row.loss is None else f"{MICRO * row.loss:.0f}"
        lines.append(f"{_cut(row.name, 40):40} {_cut(row.scheme, 17):17} {row.bytes:>9,} {row.bits:5.2f} {loss:>8}")
    known = [row.loss for row in rows if row.loss is not None]
    total, elements = sum(row.bytes for row in rows), sum(row.elements for row in rows)
    loss = f"{MICRO * sum(known):.0f}" if known else "-"
    lines.append(f"{'all':40} {'':17} {total:>9,} {8 * total / elements:5.2f} {loss:>8}")
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[3 - width :]
