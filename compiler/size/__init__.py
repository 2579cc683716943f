"""Artifact size before training: closed form in shapes and schemes, with measured factors and an interval."""

from __future__ import annotations

from .entropy import gaussian_entropy, row_maximum
from .estimate import Interval, Sized, SizedStore, predict_size, store_interval
from .header import predict_header

__all__ = [
    "Interval",
    "Sized",
    "SizedStore",
    "gaussian_entropy",
    "predict_header",
    "predict_size",
    "row_maximum",
    "store_interval",
]
