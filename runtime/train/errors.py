"""What training raises for faults that a user can mend; each message names the place and the mend."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A run cannot go on: a loss that is not finite, or a setting that this build does not train with."""


class PeerError(TrainingError):
    """Another process of the run is gone."""


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, of another format or of another spec."""


class RunFolderError(RuntimeError):
    """A run folder is taken, not empty, or not there."""


class MetricsError(RuntimeError):
    """The metrics log holds something that this tool has not written."""
