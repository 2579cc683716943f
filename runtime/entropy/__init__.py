"""Lossless coding of int8 codes, with numpy alone, and the byte codecs that stand beside it."""

from __future__ import annotations

from .codes import decode_codes, encode_codes, estimate_bytes, estimate_fitted, fit_codes
from .errors import EntropyError
from .fit import FittedMatrix

__all__ = [
    "EntropyError",
    "FittedMatrix",
    "decode_codes",
    "encode_codes",
    "estimate_bytes",
    "estimate_fitted",
    "fit_codes",
]
