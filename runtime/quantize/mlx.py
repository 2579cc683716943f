"""Quantizers of the MLX script of parameter-golf PR 167 that no scheme expresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.spec.published_schemes import NEARLY_ALL
from .arrays import Float16Array, Float32Array, Int8Array

LEAST, MOST = -8, 7
"""Codes of four bits."""


@dataclass(frozen=True, slots=True, eq=False)
class PackedRow:
    """A row of 4-bit codes, two to a byte with the first in the high half, and its step.

    Attributes:
        packed: int8 (ceil(size / 2),); the last low half is 0 where the size is odd.
    """

    packed: Int8Array
    step: np.float16
    size: int


def pack_int4_row(row: Float32Array) -> PackedRow:
    """`row` (size,) on steps of its largest magnitude / 7; 1 for a row of zeros."""
    largest = np.abs(row).max()
    step = largest / np.float32(MOST) if largest > 0 else np.float32(1)
    codes = np.rint(row / step).clip(LEAST, MOST).astype(np.int8).view(np.uint8) & np.uint8(15)
    halves = np.append(codes, np.zeros(len(row) % 2, np.uint8))
    return PackedRow(((halves[::2] << 4) | halves[1::2]).view(np.int8), np.float16(step), len(row))


def unpack_int4_row(row: PackedRow) -> Float32Array:
    """float32 (size,)."""
    packed = row.packed.view(np.uint8)
    codes = np.stack([packed >> 4, packed & np.uint8(15)], axis=1).ravel()[: row.size].astype(np.int8)
    values: Float32Array = np.where(codes > MOST, codes - np.int8(16), codes) * np.float32(row.step)
    return values


def int8_rows(matrix: Float32Array) -> tuple[Int8Array, Float16Array]:
    """Codes (rows, cols) and steps (rows,): "challenge-int8-rows" but for numpy's quantile, whose rank is float64."""
    limits = np.quantile(np.abs(matrix), NEARLY_ALL, axis=1).astype(np.float32)[:, None]
    steps = np.maximum(limits / np.float32(127), np.float32(1 / 127))
    codes: Int8Array = np.rint(matrix.clip(-limits, limits) / steps).clip(-127, 127).astype(np.int8)
    return codes, steps[:, 0].astype(np.float16)


def move_to_rounded(weights: Float32Array, rounded: Float32Array, share: float) -> Float32Array:
    """Weights moved that share of the way to their rounded values, every tenth step of its late training."""
    moved: Float32Array = weights + np.float32(share) * (rounded - weights)
    return moved
