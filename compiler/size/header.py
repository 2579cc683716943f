"""Predicts the artifact's compressed header from what it says."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from .interval import Interval

IDENTITY_BYTES = 200
"""Hexadecimal identities of tokenizer and corpus, and the schemes: 100 to 300 bytes."""


Rows = Iterable[tuple[str, tuple[int, ...]]]
"""Name and shape of each."""


def predict_header(spec: Mapping[str, Any], stores: Rows, states: Rows = ()) -> Interval:
    """Compressed bytes of a header with this resolved spec and these rows.

    zlib stands in for zstd, which is within 10 % of it on such text and is not needed to compile a spec.
    """
    plain: dict[str, Any] = {"spec": spec, "stores": [[name, shape, 0] for name, shape in stores]}
    rows = [[name, shape] for name, shape in states]
    if rows:
        plain["states"] = rows
    text = json.dumps(plain, separators=(",", ":"))
    size = len(zlib.compress(text.encode(), 9))
    return Interval(0.9 * size + IDENTITY_BYTES / 2, size + IDENTITY_BYTES, 1.1 * size + 1.5 * IDENTITY_BYTES)
