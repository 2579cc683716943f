"""Hessians and sensitivities of stores, measured on training tokens or on text of the model's own."""

from .collect import collect_statistics
from .errors import CalibrationError

__all__ = ["CalibrationError", "collect_statistics"]
