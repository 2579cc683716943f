"""Quantization: stores to bytes and back, with numpy alone."""

from __future__ import annotations

from .encoding import encode
from .errors import QuantizeError
from .report import StoreReport, report_store
from .statistics import StoreStatistics
from .storage import Storage, part_bytes, row_shape, storage_of
from .store import EncodedStore, check_parts, decode

__all__ = [
    "EncodedStore",
    "QuantizeError",
    "Storage",
    "StoreReport",
    "StoreStatistics",
    "check_parts",
    "decode",
    "encode",
    "part_bytes",
    "report_store",
    "row_shape",
    "storage_of",
]
