"""Training batches cut from a token stream, in the challenge's way.

Source: parameter-golf `train_gpt.py`, `DistributedTokenLoader`.
Each micro-batch takes (sequences * length + 1) * world_size contiguous tokens. Rank r gets the r-th span, with inputs
span[:-1] and targets span[1:]: the first token of every span is consumed without being a target. Sequences cross
document boundaries, and the stream wraps.
"""

import numpy as np
import numpy.typing as npt

from .errors import BatchError
from .token_stream import TokenStream

BatchArray = npt.NDArray[np.int64]


class ContiguousBatches:
    """Batches for one rank; the only state is the number of tokens that all ranks together have consumed."""

    def __init__(
        self, tokens: TokenStream, sequence_length: int, sequences_per_batch: int, rank: int = 0, world_size: int = 1
    ) -> None:
        """Cut batches of (`sequences_per_batch`, `sequence_length`) for `rank` of `world_size`.

        Raises:
            BatchError: the stream is too short for one micro-batch of all ranks.
        """
        assert sequence_length > 0 and sequences_per_batch > 0 and 0 <= rank < world_size
        self._tokens = tokens
        self._shape = (sequences_per_batch, sequence_length)
        self._span = sequences_per_batch * sequence_length + 1
        self._rank = rank
        self._world_size = world_size
        self._consumed = 0
        needed = self._span * world_size
        if needed > len(tokens):
            raise BatchError(
                f"one batch needs {needed} tokens ({world_size} x ({sequences_per_batch} sequences x {sequence_length} "
                f"+ 1)), the training data has {len(tokens)}; use more data, or a smaller batch or sequence"
            )

    @property
    def consumed(self) -> int:
        """Tokens consumed so far by all ranks together."""
        return self._consumed

    @property
    def passes(self) -> float:
        """How often the training data has been gone through."""
        return self._consumed / len(self._tokens)

    def next(self) -> tuple[BatchArray, BatchArray]:
        """Inputs and targets, each (sequences_per_batch, sequence_length)."""
        span = self._tokens.read(self._consumed + self._rank * self._span, self._span)
        self._consumed += self._span * self._world_size
        return span[:-1].reshape(self._shape), span[1:].reshape(self._shape)

    def state(self) -> dict[str, int]:
        """What `restore` needs to go on to the token; the same on every rank, fit for JSON."""
        return {"consumed": self._consumed, "stream_tokens": len(self._tokens)}

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken, with the same or another batch shape or number of ranks.

        Raises:
            BatchError: the state belongs to other training data, or is none of this class.
        """
        consumed, stream_tokens = state.get("consumed"), state.get("stream_tokens")
        if not isinstance(consumed, int) or consumed < 0:
            raise BatchError(f"saved data position {state!r} has no valid 'consumed'; use an undamaged checkpoint")
        if stream_tokens != len(self._tokens):
            raise BatchError(
                f"the saved position belongs to training data of {stream_tokens} tokens, this run has "
                f"{len(self._tokens)}; resume with the data of the checkpoint"
            )
        self._consumed = consumed
