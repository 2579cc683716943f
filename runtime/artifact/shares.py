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
    They add up to the payloads of the two streams.
    """
    codes, pool = dict.fromkeys(stores, 0.0), dict.fromkeys(stores, 0.0)
    measure = class_entropy if header.streams.get(CODES) == "rans" else matrix_entropy
    for matrix in code_matrices(header.entries):
        codes[matrix.store] += measure(code_array(matrix, stores))
    for part in pool_parts(header.entries):
        words = np.frombuffer(stores[part.entry.name].parts[part.name], np.uint8)
        pool[part.entry.name] += sum(_plane_bytes(plane) for plane in words.reshape(-1, part.width).T)
    if not any(codes.values()):  # nothing but zeros: what the stream takes then, they take alike
        codes |= {matrix.store: 1.0 for matrix in code_matrices(header.entries)}
    sizes = [(len(payloads.get(CODES, b"")), codes), (len(payloads[POOL]), pool)]
    exact = {name: sum(size * parts[name] / max(sum(parts.values()), 1e-9) for size, parts in sizes) for name in stores}
    return _whole(exact, sum(size for size, parts in sizes if any(parts.values())))


def _whole(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """The shares of `total` in whole numbers that add up to it, by largest remainder."""
    whole = {name: int(share) for name, share in shares.items()}
    rest = total - sum(whole.values())
    for name in sorted(shares, key=lambda name: whole[name] - shares[name])[:rest]:
        whole[name] += 1
    return whole


def _plane_bytes(symbols: npt.NDArray[np.uint8]) -> float:
    """What coding them takes that has to learn their distribution: a byte for each that occurs; at most one each."""
    counts = np.bincount(symbols)
    return min(float(symbols.size), count_entropy(counts) + np.count_nonzero(counts))


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
