"""Several arrays of tokens viewed as one endless stream."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .errors import BatchError
from .tokenizer import TokenArray

FINGERPRINT_TOKENS = 1024
FINGERPRINT_BYTES = 6  # 48 bits: exact in any reader of JSON


class TokenStream:
    """Arrays in order, without copying them; reading past the end goes on at the start."""

    def __init__(self, arrays: Sequence[TokenArray], vocab_size: int | None = None) -> None:
        """Take arrays (n_i,); with `vocab_size` every read is checked against it.

        Raises:
            BatchError: they hold no token.
        """
        self._arrays = tuple(array for array in arrays if len(array))
        self._ends = np.cumsum([len(array) for array in self._arrays], dtype=np.int64)
        self._vocab_size = vocab_size
        if not self._arrays:
            raise BatchError("there are no tokens to train on")

    def __len__(self) -> int:
        """Number of tokens in one pass."""
        return int(self._ends[-1])

    @cached_property
    def fingerprint(self) -> int:
        """A number of 48 bits that tells this stream from others: from the lengths and both ends of its arrays."""
        digest = hashlib.sha256()
        for array in self._arrays:
            digest.update(f"{len(array)}\0".encode())
            for part in (array[:FINGERPRINT_TOKENS], array[-FINGERPRINT_TOKENS:]):
                digest.update(np.ascontiguousarray(part, dtype="<u2").data)
        return int.from_bytes(digest.digest()[:FINGERPRINT_BYTES], "big")

    def read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Tokens (count,) from position `start`, wrapped at the end of the stream.

        Raises:
            BatchError: one of them is beyond the vocabulary, if the stream has one.
        """
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
        self._check(start, result)
        return result

    def _check(self, start: int, tokens: npt.NDArray[np.int64]) -> None:
        """A token that the model has no row for would end in an index error far from its cause."""
        if self._vocab_size is not None and len(tokens) and int(tokens.max()) >= self._vocab_size:
            index = int(np.argmax(tokens >= self._vocab_size))
            raise BatchError(
                f"token {tokens[index]} at place {(start + index) % len(self)} of the training data is beyond the "
                f"vocabulary of {self._vocab_size}; find its shard with `loopspec data inspect`"
            )
