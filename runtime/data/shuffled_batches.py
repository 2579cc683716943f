"""Training batches of sequences drawn in a random order, each once an epoch."""

import numpy as np
import numpy.typing as npt

from .batches import BatchArray
from .errors import BatchError
from .token_stream import TokenStream


class ShuffledBatches:
    """Batches for one rank; the only state is the number of sequences that all ranks together have taken.

    An epoch cuts the stream into windows of `sequence_length` + 1 tokens that start `sequence_length` apart: no token
    is a target twice, and at most `sequence_length` are left out. The first start is drawn for each epoch from
    [0, sequence_length), which moves the borders; the last window may reach over the end of the stream to its start.
    Offset and order come from PCG64([seed, epoch]). Of each run of `world_size` x `sequences_per_batch` windows rank r
    takes the r-th part; a batch may hold windows of two epochs.

    Memory: 4 bytes a window (40 MB for the 1e7 windows of 20e9 tokens at 2,048), drawn once an epoch in about a second.
    """

    def __init__(
        self,
        tokens: TokenStream,
        sequence_length: int,
        sequences_per_batch: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Cut batches of (`sequences_per_batch`, `sequence_length`) for `rank` of `world_size`.

        Raises:
            BatchError: the stream is too short for one micro-batch of all ranks.
        """
        assert sequence_length > 0 and sequences_per_batch > 0 and 0 <= rank < world_size
        self._tokens = tokens
        self._length = sequence_length
        self._rows = sequences_per_batch
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._taken = 0
        self._windows = (len(tokens) - 1) // sequence_length  # in one epoch
        needed = sequences_per_batch * world_size
        if needed > self._windows:
            raise BatchError(
                f"one batch needs {needed} sequences ({world_size} x {sequences_per_batch}), the training data has "
                f"{self._windows} of {sequence_length} tokens; use more data, or a smaller batch or sequence"
            )
        self._epoch = 0
        self._drawn = self._draw(0)

    @property
    def passes(self) -> float:
        """How often the training data has been gone through."""
        return self._taken / self._windows

    def next(self) -> tuple[BatchArray, BatchArray]:
        """Inputs and targets, each (sequences_per_batch, sequence_length)."""
        first = self._taken + self._rank * self._rows
        spans = np.stack([self._window(number) for number in range(first, first + self._rows)])
        self._taken += self._rows * self._world_size
        return spans[:, :-1], spans[:, 1:]

    def state(self) -> dict[str, int]:
        """What `restore` needs to go on to the sequence; the same on every rank, fit for JSON."""
        epoch, index = divmod(self._taken, self._windows)
        return {"epoch": epoch, "index": index, **self._identity()}

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken, with the same or another batch size or number of ranks.

        Raises:
            BatchError: the state belongs to other data, another sequence length or seed, or is none of this class.
        """
        epoch, index = state.get("epoch"), state.get("index")
        for key, expected in self._identity().items():
            if state.get(key) != expected:
                raise BatchError(
                    f"the saved position has {key} {state.get(key)}, this run has {expected}; "
                    "resume with data and settings of the checkpoint"
                )
        if not isinstance(epoch, int) or not isinstance(index, int) or epoch < 0 or not 0 <= index < self._windows:
            raise BatchError(f"saved data position {state!r} has no valid epoch and index; use an undamaged checkpoint")
        self._taken = epoch * self._windows + index

    def _identity(self) -> dict[str, int]:
        """What the order depends on."""
        return {"stream_tokens": len(self._tokens), "sequence_length": self._length, "seed": self._seed}

    def _window(self, number: int) -> BatchArray:
        """Tokens (sequence_length + 1,) of the window that is `number`-th over all epochs."""
        epoch, index = divmod(number, self._windows)
        if epoch != self._epoch:
            self._epoch, self._drawn = epoch, self._draw(epoch)
        offset, order = self._drawn
        return self._tokens.read(offset + int(order[index]) * self._length, self._length + 1)

    def _draw(self, epoch: int) -> tuple[int, npt.NDArray[np.uint32]]:
        """Offset and order of an epoch's windows."""
        generator = np.random.Generator(np.random.PCG64([self._seed, epoch]))
        offset = int(generator.integers(self._length))
        order = np.arange(self._windows, dtype=np.uint32)
        generator.shuffle(order)
        return offset, order
