"""Faults of data, checkpoints, artifacts and training, as the one line that their user sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..artifact import ArtifactError
from ..data.errors import DataError
from ..evaluate.score import ScoreError
from ..optim.liveness import LivenessError
from ..pipeline.device import DeviceError
from ..quantize import QuantizeError
from ..train.errors import CheckpointError, MetricsError, RunFolderError, TrainingError
from .errors import UserError

FAULTS = (
    ArtifactError,
    CheckpointError,
    DataError,
    DeviceError,
    LivenessError,
    MetricsError,
    QuantizeError,
    RunFolderError,
    ScoreError,
    TrainingError,
)


@contextmanager
def reported() -> Iterator[None]:
    """Turns the runtime's own errors, whose messages name the place and the mend, into UserError."""
    try:
        yield
    except FAULTS as fault:
        raise UserError(str(fault)) from fault
