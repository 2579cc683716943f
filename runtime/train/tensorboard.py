"""A mirror of the metrics log for TensorBoard: event files under RUN/tensorboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from .errors import TrainingError

FOLDER = "tensorboard"


class EventWriter(Protocol):
    """What is used of `torch.utils.tensorboard.SummaryWriter`."""

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One point of a curve."""

    def add_text(self, tag: str, text: str, step: int) -> None:
        """A word from some step on."""

    def flush(self) -> None:
        """Hand what was added to the operating system."""

    def close(self) -> None:
        """Flush and close."""


MakeWriter = Callable[[Path, int], EventWriter]
"""Called with the folder and the first step whose older events are no longer valid."""


def require_tensorboard() -> None:
    """Raises TrainingError where torch's writer cannot be had."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401
    except ImportError as error:
        raise _unusable(error) from error


def _unusable(error: ImportError) -> TrainingError:
    return TrainingError(
        f"TensorBoard was asked for, and its package cannot be used ({error}); "
        "pip install 'loopspec[tensorboard]', or do not ask for it"
    )


def summary_writer(folder: Path, purge_step: int) -> EventWriter:
    """torch's own writer.

    Raises:
        TrainingError: the package `tensorboard` is not installed, or is too old for torch.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _unusable(error) from error
    writer: EventWriter = SummaryWriter(log_dir=str(folder), purge_step=purge_step)
    return writer


class TensorBoardLog:
    """Mirrors records as scalars, with the interface of `MetricsLog`; open it before training begins.

    Tags are `KIND/FIGURE`; those of a stage of training other than `main`, `STAGE/FIGURE`. The loss has a further tag
    for each mode, `train/loss_by_mode/MODE`, since modes of different depth have different losses. Further text
    becomes a text event where it changes. `step` is the record's. Older events of steps after `resumed_step` are marked
    as no longer valid, so that a resumed run reads as if it had never stopped.

    Raises:
        TrainingError: the package `tensorboard` cannot be used.
    """

    def __init__(self, run_folder: Path, resumed_step: int, make_writer: MakeWriter = summary_writer) -> None:
        self._writer = make_writer(run_folder / FOLDER, resumed_step + 1)
        self._texts: dict[str, str] = {}

    def append(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Mirror one record; figures that are None were not measured and have no event.

        Raises:
            TypeError: a value is neither number nor text nor a mapping of such.
        """
        stage = values.get("stage", "main")
        prefix = kind if stage == "main" else str(stage)
        for name, value in values.items():
            if name not in ("stage", "mode"):
                self._add(f"{prefix}/{name}", value, step)
        if "mode" in values and "loss" in values:
            self._add(f"{prefix}/loss_by_mode/{values['mode']}", values["loss"], step)

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, tag: str, value: object, step: int) -> None:
        if value is None:
            return
        if isinstance(value, Mapping):
            for name, item in value.items():
                self._add(f"{tag}/{name}", item, step)
        elif isinstance(value, bool | int | float):
            self._writer.add_scalar(tag, float(value), step)
        elif isinstance(value, str):
            if self._texts.get(tag) != value:
                self._texts[tag] = value
                self._writer.add_text(tag, value, step)
        else:
            raise TypeError(f"{tag} of step {step} is {value!r}, which has no event")
