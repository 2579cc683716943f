"""Training batches cut from a token stream as it runs, in the challenge's way.

Source: parameter-golf `train_gpt.py`, `DistributedTokenLoader`.
Each micro-batch takes sequences * length + 1 contiguous tokens, with inputs span[:-1] and targets span[1:]: the first
token of every span is consumed without being a target. Sequences cross document boundaries, and the stream wraps.
The challenge's eight ranks with a micro-batch each are eight micro-batches here.
"""

import numpy as np
import numpy.typing as npt

from .errors import BatchError
from .token_stream import TokenStream

BatchArray = npt.NDArray[np.int64]


class ContiguousBatches:
    """One span after the other; the only state is the number of tokens consumed."""

    def __init__(self, tokens: TokenStream) -> None:
        self._tokens = tokens
        self._consumed = 0

    @property
    def consumed(self) -> int:
        """Tokens consumed so far."""
        return self._consumed

    @property
    def passes(self) -> float:
        """How often the training data has been gone through."""
        return self._consumed / len(self._tokens)

    def check(self, sequences: int, length: int) -> None:
        """Whether a micro-batch of this shape can be taken.

        Raises:
            BatchError: the stream is too short for it.
        """
        assert sequences > 0 and length > 0
        needed = sequences * length + 1
        if needed > len(self._tokens):
            raise BatchError(
                f"one micro-batch needs {needed} tokens ({sequences} sequences x {length} + 1), the training data has "
                f"{len(self._tokens)}; use more data, or a smaller batch or sequence"
            )

    def take(self, sequences: int, length: int, rows: slice = slice(None)) -> tuple[BatchArray, BatchArray]:
        """Inputs and targets of the next micro-batch, each (number of `rows`, length).

        Only `rows` of the `sequences` are read, but the place moves past all of them.

        Raises:
            BatchError: see `check`.
        """
        self.check(sequences, length)
        wanted = chosen_rows(sequences, rows)
        span = self._tokens.read(self._consumed + wanted.start * length, len(wanted) * length + 1)
        self._consumed += sequences * length + 1
        shape = (len(wanted), length)
        return span[:-1].reshape(shape), span[1:].reshape(shape)

    def state(self) -> dict[str, int]:
        """What `restore` needs to go on to the token; fit for JSON."""
        return {"consumed": self._consumed, **stream_identity(self._tokens)}

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; later micro-batches may have another shape.

        Raises:
            BatchError: the state belongs to other training data, or is none of this class.
        """
        check_identity(state, stream_identity(self._tokens))
        self._consumed = saved_count(state, "consumed")


def chosen_rows(sequences: int, rows: slice) -> range:
    """The sequence numbers that `rows` means: neighbours, at least one."""
    wanted = range(sequences)[rows]
    assert wanted and wanted.step == 1, f"rows {rows} of {sequences} sequences"
    return wanted


def stream_identity(tokens: TokenStream) -> dict[str, int]:
    """What tells one training data from another in a saved position."""
    return {"stream_tokens": len(tokens), "stream_hash": tokens.fingerprint}


def check_identity(state: dict[str, int], expected: dict[str, int]) -> None:
    """Raises BatchError where a saved position was taken with other data or settings."""
    for key, value in expected.items():
        if state.get(key) != value:
            raise BatchError(
                f"the saved data position has {key} {state.get(key)}, this run has {value}; "
                "resume with the data and settings of the checkpoint"
            )


def saved_count(state: dict[str, int], key: str) -> int:
    """A count of a saved position; raises BatchError where it is none."""
    value = state.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BatchError(f"saved data position {state!r} has no valid {key!r}; use an undamaged checkpoint")
    return value
