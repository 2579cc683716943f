"""Training tokens at places drawn by a seed: what a trained model is analysed on."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..data.token_stream import TokenStream
from ..pipeline.device import choose_device
from .batches import Batch
from .errors import AnalysisError
from .trained_model import TrainedModel, chosen_mode, training_data


def token_windows(tokens: TokenStream, batches: int, sequences: int, length: int, seed: int) -> Iterator[Batch]:
    """`batches` batches of tokens and targets, each int64 (sequences, length).

    Every sequence starts at a place of its own, drawn evenly and with replacement; equal arguments give equal batches.

    Raises:
        AnalysisError: the stream is shorter than one sequence and its last target.
    """
    starts = len(tokens) - length
    if starts < 1:
        raise AnalysisError(
            f"a sequence of {length} needs {length + 1} training tokens, the data has {len(tokens)}; "
            "use a smaller --sequence-length, or more data"
        )
    generator = np.random.default_rng(seed)
    for _ in range(batches):
        rows = [tokens.read(int(start), length + 1) for start in generator.integers(0, starts, sequences)]
        window = torch.from_numpy(np.stack(rows))
        yield window[:, :-1].contiguous(), window[:, 1:].contiguous()


@dataclass(frozen=True, slots=True)
class Windows:
    """Which tokens a trained model is analysed on, and in which mode."""

    mode: str
    tokens: TokenStream
    count: int
    sequences: int
    length: int
    seed: int

    def batches(self) -> Iterator[Batch]:
        """The batches, from the first; raises as `token_windows`."""
        return token_windows(self.tokens, self.count, self.sequences, self.length, self.seed)

    @property
    def description(self) -> str:
        """One line for people."""
        size = f"{self.sequences} x {self.length:,}"
        return f"{self.count} batches of {size} training tokens, seed {self.seed}"

    @property
    def record(self) -> dict[str, int | str]:
        """What to repeat it with."""
        return {
            "mode": self.mode,
            "batches": self.count,
            "sequences": self.sequences,
            "sequence_length": self.length,
            "seed": self.seed,
            "tokens": "training",
        }


def open_windows(arguments: Namespace, model: TrainedModel, note: Callable[[str], None]) -> Windows:
    """The training tokens of a model as the command line asks for them; names the device, which is the CPU.

    Raises:
        AnalysisError: the model has no such mode.
        DataError: the model's data cannot be used.
    """
    train = model.plan.spec.train
    mode = chosen_mode(model.plan, arguments.mode)
    choose_device("cpu", model.plan.spec, note, "float32")
    data = training_data(model, note)
    return Windows(
        mode=mode,
        tokens=data.train,
        count=arguments.batches,
        sequences=arguments.sequences,
        length=train.sequence_length if arguments.sequence_length is None else arguments.sequence_length,
        seed=train.seed if arguments.seed is None else arguments.seed,
    )
