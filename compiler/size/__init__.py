"""Artifact size before training: closed form in shapes and schemes, with measured factors and an interval."""

from __future__ import annotations

from .entropy import gaussian_entropy, row_maximum
from .estimate import Estimate, estimate, size_estimate
from .header import predict_header
from .interval import Interval
from .store import SizedStore, store_interval

__all__ = [
    "Estimate",
    "Interval",
    "SizedStore",
    "estimate",
    "gaussian_entropy",
    "predict_header",
    "row_maximum",
    "size_estimate",
    "store_interval",
]
