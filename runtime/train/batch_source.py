"""What the training loop asks of a data loader."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class BatchSource(Protocol):
    """An endless stream of micro-batches whose place can be saved."""

    def next(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The next inputs and targets, each (micro-batch sequences, sequence length)."""
        ...

    def state(self) -> dict[str, Any]:
        """The place in the stream: plain values and tensors only."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go to the place that `state` returned."""
        ...
