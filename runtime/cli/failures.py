"""Faults of data, checkpoints, artifacts and training, as the one line that their user sees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ...compiler.check import SpecError
from ..analyse.errors import AnalysisError
from ..artifact import ArtifactError
from ..calibrate.errors import CalibrationError
from ..data.errors import DataError
from ..evaluate.score import ScoreError
from ..optim.liveness import LivenessError
from ..pipeline.device import DeviceError
from ..quantize import QuantizeError
from ..train.errors import CheckpointError, MetricsError, PeerError, RunFolderError, TrainingError
from ..train.launched import LAUNCHED, PEER_GONE
from .errors import UserError

FAULTS = (
    AnalysisError,
    ArtifactError,
    CalibrationError,
    CheckpointError,
    DataError,
    DeviceError,
    LivenessError,
    MetricsError,
    QuantizeError,
    RunFolderError,
    ScoreError,
    SpecError,
    TrainingError,
)


@contextmanager
def reported() -> Iterator[None]:
    """Turns the runtime's own errors, whose messages name the place and the mend, into UserError."""
    try:
        yield
    except PeerError as fault:
        # A launcher of ours tells which process is gone, in one message for all.
        raise UserError("" if LAUNCHED in os.environ else str(fault), PEER_GONE) from fault
    except FAULTS as fault:
        raise UserError(str(fault)) from fault
