"""Training batches of windows drawn in a random order."""

import numpy as np

from .window_batches import Visit, WindowBatches


class ShuffledBatches(WindowBatches):
    """Every order of the windows is as likely as any other.

    Memory: 4 bytes a window (40 MB for the 1e7 windows of 20e9 tokens at 2,048), drawn once an epoch in about a second.
    """

    NAME = "shuffled"

    def _draw_order(self, generator: np.random.Generator, windows: int) -> Visit:
        order = np.arange(windows, dtype=np.uint32)
        generator.shuffle(order)
        return lambda index: int(order[index])
