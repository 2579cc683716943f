"""Quantization: stores to bytes and back, with numpy alone."""

from __future__ import annotations

from .errors import QuantizeError
from .integer import Codes, dequantize, quantize_rows, row_shape
from .report import StoreReport, report_store
from .store import EncodedStore, check_parts, decode, encode, part_bytes

__all__ = [
    "Codes",
    "EncodedStore",
    "QuantizeError",
    "StoreReport",
    "check_parts",
    "decode",
    "dequantize",
    "encode",
    "part_bytes",
    "quantize_rows",
    "report_store",
    "row_shape",
]
