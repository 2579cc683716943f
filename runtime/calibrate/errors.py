"""The error of calibration."""

from __future__ import annotations


class CalibrationError(ValueError):
    """A model, store or stream of tokens that cannot be calibrated. The message names it and the mend."""
