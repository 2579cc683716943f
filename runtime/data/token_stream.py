"""Several arrays of tokens viewed as one endless stream."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .errors import BatchError
from .tokenizer import TokenArray


class TokenStream:
    """Arrays in order, without copying them; reading past the end goes on at the start."""

    def __init__(self, arrays: Sequence[TokenArray]) -> None:
        """Take arrays (n_i,); raises BatchError if they hold no token."""
        self._arrays = tuple(array for array in arrays if len(array))
        self._ends = np.cumsum([len(array) for array in self._arrays], dtype=np.int64)
        if not self._arrays:
            raise BatchError("there are no tokens to train on")

    def __len__(self) -> int:
        """Number of tokens in one pass."""
        return int(self._ends[-1])

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Tokens (count,) from position `start`, wrapped at the end of the stream."""
        result = np.empty(count, dtype=np.int64)
        filled = 0
        position = start % len(self)
        while filled < count:
            index = int(np.searchsorted(self._ends, position, side="right"))
            array = self._arrays[index]
            offset = position - (int(self._ends[index]) - len(array))
            part = array[offset : offset + count - filled]
            result[filled : filled + len(part)] = part
            filled += len(part)
            position = (position + len(part)) % len(self)
        return result
