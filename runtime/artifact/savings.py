"""What would take most bytes off an artifact: a few estimates, computed from what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..entropy import estimate_bytes
from ..quantize import row_shape
from .header import CODES, TOKENIZER
from .inspection import Inspection, StoreWeight
from .matrices import code_array, code_matrices

SMALLEST_MATRIX = 2**12
"""Fewer weights than this are seldom worth a rule of their own."""

USUAL_BITS = 6.0
"""Bits a weight that a matrix is taken to need as an integer, where the artifact has no codes to tell."""

FEWEST_BITS = 2.5
"""A store of lower entropy has no whole bit to give."""

LARGEST_STORES, SMALLEST_SAVING = 3, 64
WORTH_A_GROUP = 0.1
"""Share of a store's bytes from which steps by group are worth a word."""


@dataclass(frozen=True, slots=True)
class Saving:
    """Bytes that a change would save; of which store or stream; the change."""

    bytes: int
    what: str
    change: str


def savings(inspection: Inspection) -> list[Saving]:
    """The estimates, most bytes first; each by itself, so that they do not add up."""
    found = [
        *_floats(inspection),
        *_coder(inspection),
        *_tokenizer(inspection),
        *_groups(inspection),
        *_bits(inspection),
    ]
    return sorted((each for each in found if each.bytes >= SMALLEST_SAVING), key=lambda each: -each.bytes)


def _floats(inspection: Inspection) -> Iterator[Saving]:
    """Matrices as floats that could be integers, at the bits that the artifact's codes take."""
    coded = sum(each.elements for each in inspection.stores if each.storage.kind in ("integer", "grid"))
    codes = len(inspection.container.payloads.get(CODES, b""))
    bits = 8 * codes / coded if coded else USUAL_BITS
    for each in _stores(inspection):
        if each.storage.kind in ("float16", "float32") and len(each.shape) > 1 and each.elements >= SMALLEST_MATRIX:
            saved = round(each.bytes - each.elements * bits / 8)
            yield Saving(saved, each.name, f"as codes of {bits:.1f} bits instead of {each.storage.kind}")


def _coder(inspection: Inspection) -> Iterator[Saving]:
    header, payloads = inspection.container.header, inspection.container.payloads
    codec = header.streams.get(CODES, "rans")
    if codec != "rans":
        tensors = inspection.contents.tensors
        arrays = [code_array(matrix, tensors) for matrix in code_matrices(header.entries)]
        yield Saving(len(payloads[CODES]) - estimate_bytes(arrays), CODES, f"by rans instead of {codec}")


def _tokenizer(inspection: Inspection) -> Iterator[Saving]:
    payload = inspection.container.payloads.get(TOKENIZER)
    if payload is not None:
        yield Saving(len(payload), TOKENIZER, "not embedded; `eval` then takes it by --tokenizer")


def _groups(inspection: Inspection) -> Iterator[Saving]:
    """Steps by group: about as many bytes as there are groups beyond one a row, hardly compressed."""
    for each in _stores(inspection):
        if each.storage.steps == "group" and each.step_bytes > WORTH_A_GROUP * each.bytes:
            width = 4 if each.storage.step_dtype == "float32" else 2
            saved = each.step_bytes - width * row_shape(each.shape)[0]
            yield Saving(saved, each.name, f"a step a row instead of one each {each.storage.group} columns")


def _bits(inspection: Inspection) -> Iterator[Saving]:
    """A grid twice as coarse takes one bit off each code."""
    coded = [each for each in _stores(inspection) if each.storage.kind in ("integer", "grid")]
    roomy = [each for each in coded if each.entropy >= FEWEST_BITS]
    for each in sorted(roomy, key=lambda each: -each.elements)[:LARGEST_STORES]:
        change = f"steps twice as coarse ({each.entropy:.1f} bits a code now)"
        yield Saving(each.elements // 8, each.name, change)


def _stores(inspection: Inspection) -> list[StoreWeight]:
    return [each for each in inspection.stores if each.name in inspection.contents.stores]
