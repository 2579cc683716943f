"""Training batches of windows of a token stream, visited in an order of their own, each once an epoch."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from .batches import BatchArray, check_identity, chosen_rows, saved_count, stream_identity
from .errors import BatchError
from .token_stream import TokenStream

Visit = Callable[[int], int]  # number in the epoch -> number of the window in the stream


class WindowBatches(ABC):
    """What the orders have in common; the only state is a place, counted in tokens of the order.

    An epoch cuts the stream into windows of `window_length` + 1 tokens that start `window_length` apart: no token is a
    target twice, and at most `window_length` are left out. The first start is drawn for each epoch from
    [0, window_length), which moves the borders; the last window may reach over the end of the stream to its start.
    Offset and order come from PCG64([seed, epoch]). A batch may hold windows of two epochs.

    A micro-batch of shorter sequences cuts each window into pieces, which follow each other in the order. Going over
    to longer sequences in the middle of a window leaves out what remains before the next piece of that length begins:
    less than one longer sequence, counted in `left_out`.
    """

    NAME: str
    """The value of `data.order`; part of a saved position."""

    def __init__(self, tokens: TokenStream, window_length: int, seed: int) -> None:
        """Windows of `window_length` targets: the longest sequence that will be asked for."""
        assert window_length > 0
        self._tokens = tokens
        self._length = window_length
        self._seed = seed
        self._windows = (len(tokens) - 1) // window_length  # in one epoch
        self._place = 0
        self._left_out = 0
        self._drawn: tuple[int, int, Visit] | None = None

    @property
    def passes(self) -> float:
        """How often the training data has been gone through."""
        return self._place / max(1, self._windows * self._length)

    @property
    def left_out(self) -> int:
        """Tokens passed over where sequences became longer in the middle of a window."""
        return self._left_out

    def check(self, sequences: int, length: int) -> None:
        """Whether a micro-batch of this shape can be taken.

        Raises:
            BatchError: `length` does not divide the window, or the stream is too short.
        """
        assert sequences > 0 and length > 0
        if self._length % length:
            raise BatchError(
                f"data.order {self.NAME} cuts windows of {self._length} tokens, which sequences of {length} do not "
                "divide; use sequence lengths that divide the longest, or order contiguous"
            )
        pieces = self._windows * (self._length // length)
        if sequences > pieces:
            raise BatchError(
                f"one micro-batch needs {sequences} sequences, the training data has {pieces} of {length} tokens in "
                f"windows of {self._length}; use more data, or a smaller batch or sequence"
            )

    def take(self, sequences: int, length: int, rows: slice = slice(None)) -> tuple[BatchArray, BatchArray]:
        """Inputs and targets of the next micro-batch, each (number of `rows`, length).

        Only `rows` of the `sequences` are read, but the place moves past all of them.

        Raises:
            BatchError: see `check`.
        """
        self.check(sequences, length)
        gap = -self._place % length
        first = self._place + gap
        spans = np.stack([self._piece(first + row * length, length) for row in chosen_rows(sequences, rows)])
        self._place = first + sequences * length
        self._left_out += gap
        return spans[:, :-1], spans[:, 1:]

    def state(self) -> dict[str, int]:
        """What `restore` needs to go on to the token; fit for JSON."""
        return {f"{self.NAME}_place": self._place, "left_out": self._left_out, **self._identity()}

    def restore(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken; later micro-batches may have another shape.

        Raises:
            BatchError: the state belongs to other data, another window length, seed or order, or is damaged.
        """
        check_identity(state, self._identity())
        place, left_out = saved_count(state, f"{self.NAME}_place"), saved_count(state, "left_out")
        self._place, self._left_out = place, left_out

    def _identity(self) -> dict[str, int]:
        """What the order depends on."""
        return {**stream_identity(self._tokens), "window_length": self._length, "seed": self._seed}

    def _piece(self, place: int, length: int) -> BatchArray:
        """Tokens (length + 1,) of the piece that begins at `place`."""
        number, within = divmod(place, self._length)
        epoch, index = divmod(number, self._windows)
        offset, visit = self._epoch(epoch)
        return self._tokens.read(offset + visit(index) * self._length + within, length + 1)

    def _epoch(self, epoch: int) -> tuple[int, Visit]:
        """Offset and order of an epoch; only the last one asked for is kept."""
        if self._drawn is None or self._drawn[0] != epoch:
            generator = np.random.Generator(np.random.PCG64([self._seed, epoch]))
            offset = int(generator.integers(self._length))
            self._drawn = (epoch, offset, self._draw_order(generator, self._windows))
        return self._drawn[1:]

    @abstractmethod
    def _draw_order(self, generator: np.random.Generator, windows: int) -> Visit:
        """A permutation of range(windows)."""
