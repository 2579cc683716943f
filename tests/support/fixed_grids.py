"""A policy of fixed grids, as an override: what training can round to, and whose size does not follow the budget."""

from __future__ import annotations

_RULES = (
    "{match: {group: embeddings}, scheme: {kind: integer, bits: 8, clip: {kind: std, k: 20}}}",
    "{match: {group: matrices}, scheme: {kind: integer, bits: 6, clip: {kind: std, k: 12.85}}}",
    "{scheme: {kind: float16}}",
)
FIXED_GRIDS = f"quantization.rules=[{', '.join(_RULES)}]"
