"""What the training loop asks of a data loader."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Inputs and targets, each (sequences, length)."""

EVERY_ROW = slice(None)


class BatchSource(Protocol):
    """An endless stream of micro-batches whose place can be saved."""

    def take(self, sequences: int, length: int, rows: slice = EVERY_ROW) -> Batch:
        """The next micro-batch, `sequences` of `length` tokens; only `rows` of its sequences are read and returned.

        The place moves past all of it, so that ranks that take different rows stay together.
        """
        ...

    def state(self) -> dict[str, Any]:
        """The place in the stream: plain values only."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go to the place that `state` returned."""
        ...
