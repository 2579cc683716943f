"""Which store takes how much of the data section: shares of each stream, by the entropy of what is in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..entropy import fit_codes
from ..quantize import EncodedStore
from .header import CODES, POOL, Header
from .matrices import code_array, code_matrices
from .pool import pool_parts


def store_shares(header: Header, stores: Mapping[str, EncodedStore], payloads: Mapping[str, bytes]) -> dict[str, int]:
    """Bytes by store, estimated: a stream is split in proportion to the entropy of what each store has in it.

    That is by byte plane in the pool, by matrix in the codes, and by row and column exponent under rANS, as it codes.
    """
    codes, pool = dict.fromkeys(stores, 0.0), dict.fromkeys(stores, 0.0)
    measure = class_entropy if header.streams.get(CODES) == "rans" else matrix_entropy
    for matrix in code_matrices(header.entries):
        codes[matrix.store] += measure(code_array(matrix, stores))
    for part in pool_parts(header.entries):
        words = np.frombuffer(stores[part.entry.name].parts[part.name], np.uint8)
        pool[part.entry.name] += sum(plane_entropy(plane) for plane in words.reshape(-1, part.width).T)
    code_scale = len(payloads.get(CODES, b"")) / max(sum(codes.values()), 1.0)
    pool_scale = len(payloads[POOL]) / max(sum(pool.values()), 1.0)
    return {name: round(code_scale * codes[name] + pool_scale * pool[name]) for name in stores}


def plane_entropy(symbols: npt.NDArray[np.uint8]) -> float:
    """Order-0 entropy of all symbols together, in bytes."""
    return count_entropy(np.bincount(symbols))


def matrix_entropy(codes: npt.NDArray[np.int8]) -> float:
    """The same of a matrix of codes."""
    return plane_entropy(codes.ravel().view(np.uint8))


def class_entropy(codes: npt.NDArray[np.int8]) -> float:
    """Bytes of a matrix of codes given the class of each by its row and column; signs take a bit each."""
    fitted = fit_codes(codes)
    if fitted is None:
        return 0.0
    return sum(map(count_entropy, fitted.histogram)) + np.count_nonzero(codes) / 8


def count_entropy(counts: npt.NDArray[np.int64]) -> float:
    """Order-0 entropy in bytes of symbols that come so often."""
    counts = counts[counts > 0]
    return -float((counts * np.log2(counts / counts.sum())).sum()) / 8
