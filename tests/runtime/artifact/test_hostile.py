"""Cuts and flips that carry right lengths and digests, so that they meet the checks inside."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
from support.artifact_contents import FLOAT16, INT6, STORAGES, contents_of, filled, quantized, small
from support.artifact_forge import (
    PREAMBLE,
    header_text,
    put_together,
    resigned,
    section_of,
    signed,
    taken_apart,
    with_payload,
)

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import ArtifactError, build_artifact, parse_artifact
from loopspec.runtime.quantize import QuantizeError, decode

RANS, ZSTD = Codec("rans"), Codec("zstd")
TINY = {
    codec.kind: build_artifact(
        replace(contents_of(quantized(((2,), FLOAT16), ((3, 7), INT6)), b"tokens"), spec={"a": 1}, provenance={}), codec
    )[0]
    for codec in (RANS, ZSTD, Codec("lzma", 6))
}


def survives(whole: bytes) -> bool:
    """Whether the file is read; if not, there was one clear error. Decoding may have another, which names the store."""
    try:
        contents = parse_artifact(whole, "x")
    except ArtifactError as error:
        text = str(error)
        assert text.startswith(("x: ", "x, ")) and "; " in text and len(text) < 700 and text.isprintable(), text
        return False
    for store in contents.tensors.values():
        with suppress(QuantizeError):
            decode(store)
    return True


@pytest.mark.parametrize("codec", TINY)
def test_every_flipped_bit_is_refused(codec):
    whole = bytearray(TINY[codec])
    for bit in range(8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        assert not survives(bytes(whole))
        whole[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("codec", TINY)
def test_a_file_cut_anywhere_is_refused(codec):
    """As cut, and with its length and digest made right again."""
    whole = TINY[codec]
    for end in range(len(whole)):
        assert not survives(whole[:end])
        if PREAMBLE.size <= end < len(whole) - 32:
            assert not survives(resigned(whole[:end]))


@pytest.mark.parametrize("codec", TINY)
def test_a_payload_cut_anywhere_is_refused(codec):
    _, payloads = taken_apart(TINY[codec])
    for stream, payload in payloads.items():
        for end in range(len(payload)):
            assert not survives(with_payload(TINY[codec], stream, payload[:end])), (stream, end)


EVERY = [7, pytest.param(1, marks=pytest.mark.torture)]
"""Each so many bits."""


@pytest.mark.parametrize("every", EVERY)
@pytest.mark.parametrize("codec", TINY)
def test_a_flipped_bit_of_a_payload_is_refused_or_gives_other_values(codec, every):
    header, payloads = taken_apart(TINY[codec])
    for stream, payload in payloads.items():
        for bit in range(0, 8 * len(payload), every):
            flipped = bytearray(payload)
            flipped[bit // 8] ^= 1 << bit % 8
            survives(put_together(header, payloads | {stream: bytes(flipped)}))


@pytest.mark.parametrize("every", EVERY)
def test_a_flipped_bit_of_the_header_is_refused_or_a_header_as_good(every):
    """In its plain text, and compressed."""
    header, payloads = taken_apart(TINY["rans"])
    text = header_text(header)
    outcomes = []
    for bit in range(0, 8 * len(text), every):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        outcomes.append(survives(put_together(bytes(flipped), payloads)))
    assert 0 < sum(outcomes) < len(outcomes) / 2  # names and what the spec says are as good in other letters


@pytest.mark.parametrize("every", EVERY)
def test_a_flipped_bit_of_the_compressed_header_is_refused_or_a_header_as_good(every):
    whole = TINY["rans"]
    _, payloads = taken_apart(whole)
    head_bytes = PREAMBLE.unpack_from(whole)[3]
    head, section = whole[PREAMBLE.size : PREAMBLE.size + head_bytes], section_of(payloads)
    for bit in range(0, 8 * head_bytes, every):
        flipped = bytearray(head)
        flipped[bit // 8] ^= 1 << bit % 8
        survives(signed(bytes(flipped), section))


@pytest.mark.torture
@pytest.mark.parametrize("codec", [RANS, ZSTD], ids=lambda codec: codec.kind)
def test_flips_of_every_storage(codec):
    stores = filled(*(((17, 18), storage) for storage in STORAGES))
    whole = build_artifact(contents_of(stores), codec)[0]
    header, payloads = taken_apart(whole)
    for stream, payload in payloads.items():
        for bit in range(0, 8 * len(payload), 29):
            flipped = bytearray(payload)
            flipped[bit // 8] ^= 1 << bit % 8
            survives(put_together(header, payloads | {stream: bytes(flipped)}))
    text = header_text(header)
    for bit in range(0, 8 * len(text), 5):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        survives(put_together(bytes(flipped), payloads))


@pytest.mark.torture
def test_random_payloads():
    header, payloads = taken_apart(build_artifact(small(), RANS)[0])
    rng = np.random.default_rng(0)
    for _ in range(3000):
        stream = rng.choice(list(payloads))
        survives(put_together(header, payloads | {str(stream): rng.bytes(int(rng.integers(0, 80)))}))


def enormous_tables():
    """A header of the largest size that is read, of the values that take most memory, and one of twice-named stores."""
    header, payloads = taken_apart(TINY["rans"])
    for value in ("[" + ",".join(['{"":[]}'] * 2**17) + "]", "[" * 10**5 + "]" * 10**5):
        text = json.dumps(header | {"spec": {"a": 0}}, separators=(",", ":"), sort_keys=True)
        yield put_together(text.replace('{"a":0}', f'{{"a":{value}}}').encode(), payloads)
    rows = [[f"{'x' * 40}{number}", 0, 1] for number in range(2**14 - 1)]
    yield put_together(header | {"stores": [*rows, rows[-1]]}, payloads)
    yield put_together(
        header
        | {
            "storages": [{"kind": "integer", "levels": 1 + n % 127, "steps": 1 + n} for n in range(256)],
            "stores": [[*row[:1], n % 256, 1] for n, row in enumerate(rows)],
        },
        payloads,
    )


@pytest.mark.torture
def test_enormous_headers_take_bounded_time_and_memory():
    for whole in enormous_tables():
        start = perf_counter()
        survives(whole)
        seconds = perf_counter() - start
        tracemalloc.start()
        survives(whole)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert seconds < 10 and peak < 2**28
