from __future__ import annotations

import hashlib
import lzma
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from support.artifact_contents import (
    FLOAT16,
    FLOAT32,
    INT2,
    INT6,
    INT8,
    STORAGES,
    TOKENIZER,
    contents_of,
    filled,
    quantized,
    small,
    with_states,
)
from support.artifact_forge import taken_apart
from support.examples import examples

from loopspec.compiler.spec.quantization import Codec
from loopspec.runtime.artifact import (
    ArtifactContents,
    ArtifactError,
    assemble,
    build_artifact,
    build_codes,
    build_frame,
    parse_artifact,
)
from loopspec.runtime.quantize import Storage, encode

RANS, ZSTD = Codec("rans"), Codec("zstd")
SHAPES = st.lists(st.integers(1, 5), max_size=4).map(tuple)


@examples(40)
@given(
    st.lists(st.tuples(SHAPES, st.sampled_from(STORAGES)), min_size=1, max_size=8),
    st.sampled_from([None, b"", TOKENIZER]),
    st.sampled_from([RANS, Codec("zstd", 1), Codec("zstd", 22), Codec("zlib", 9), Codec("lzma", 6)]),
    st.lists(st.lists(st.integers(1, 5), max_size=2).map(tuple), max_size=3),
)
def test_round_trip(shapes_and_storages, tokenizer, codec, states):
    contents = with_states(contents_of(filled(*shapes_and_storages), tokenizer), *states)
    whole, summary = build_artifact(contents, codec)
    read = parse_artifact(whole, "x")
    assert read == contents
    assert list(read.stores) == list(contents.stores) and list(read.states) == list(contents.states)
    assert list(summary.store_bytes) == [*contents.stores, *contents.states]
    assert summary.bytes == len(whole) == 52 + summary.header_bytes + summary.data_bytes
    assert summary.data_bytes == sum(36 + size for size in summary.stream_bytes.values())
    coded = [summary.stream_bytes[stream] for stream in ("codes", "pool") if stream in summary.stream_bytes]
    assert sum(summary.store_bytes.values()) == sum(coded) and min(summary.store_bytes.values()) >= 0
    assert summary.sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("codec", [RANS, ZSTD, Codec("zlib", 9)], ids=lambda codec: codec.kind)
def test_large_and_small_matrices_together(codec):
    stores = quantized(((128, 130), INT2), ((5, 3), INT6), ((130, 200), INT8), ((20_000,), FLOAT16), ((7, 9), INT6))
    whole, summary = build_artifact(contents_of(stores), codec)
    assert parse_artifact(whole, "x") == contents_of(stores)
    large, tiny = summary.store_bytes["blocks.core.2.part"], summary.store_bytes["blocks.core.1.part"]
    assert 130 * 200 * 5.5 / 8 < large < 130 * 200 and 5 < tiny < 60
    streams = summary.stream_bytes
    assert sum(summary.store_bytes.values()) == streams["codes"] + streams["pool"]


@pytest.mark.parametrize("codec", [RANS, ZSTD], ids=lambda codec: codec.kind)
def test_an_untrained_store_of_zeros(codec):
    contents = replace(small(), stores={"w": encode("w", np.zeros((4096, 1024)), INT6)})
    whole, _ = build_artifact(contents, codec)
    assert parse_artifact(whole, "x") == contents
    assert len(whole) < 2000


def test_floats_alone_have_no_stream_of_codes():
    contents = contents_of(quantized(((2, 3), FLOAT16), ((), FLOAT32)), None)
    whole, summary = build_artifact(contents, RANS)
    assert list(summary.stream_bytes) == ["pool"] == list(taken_apart(whole)[0]["streams"])
    assert parse_artifact(whole, "x") == contents


def test_the_same_contents_give_the_same_bytes_and_the_documented_preamble():
    whole = build_artifact(small(), RANS)[0]
    assert whole == build_artifact(small(), RANS)[0]
    assert whole[:12] == bytes.fromhex("894c535045430d0a03000000")
    assert int.from_bytes(whole[12:16], "little") == len(whole)
    assert whole[-32:] == hashlib.sha256(whole[:-32]).digest()


def test_one_byte_plane_after_another():
    """The pool, rebuilt from FORMAT.md alone."""
    contents = with_states(contents_of(filled(*(((3, 2), storage) for storage in STORAGES))), (4,), (2, 2))
    header, payloads = taken_apart(build_artifact(contents, ZSTD)[0])
    assert list(payloads) == ["codes", "pool", "tokenizer"] == list(header["streams"])
    parts = [store.parts for store in contents.tensors.values()]
    kinds = [store.storage for store in contents.tensors.values()]

    def planes(width, *words):
        joined = b"".join(words)
        return b"".join(joined[byte::width] for byte in range(width))

    steps = [(p, s) for p, s in zip(parts, kinds, strict=True) if s.kind == "integer"]
    narrow = [
        p[name]
        for p, s in steps
        for name in ("steps", "left_steps", "right_steps")
        if name in p and not (name == "steps" and s.step_dtype == "float32")
    ]
    pool = b"".join(p["rows"] for p in parts if "rows" in p) + b"".join(p["columns"] for p in parts if "columns" in p)
    pool += planes(2, *narrow)
    pool += planes(4, *(p["steps"] for p, s in steps if s.step_dtype == "float32"))
    pool += planes(4, *(p["base"] for p in parts if "base" in p))
    for width, kind in ((2, "float16"), (4, "float32")):
        pool += planes(width, *(p["values"] for p, s in zip(parts, kinds, strict=True) if s.kind == kind))
    assert unpacked(header["streams"]["pool"], payloads["pool"], len(pool)) == pool
    assert unpacked(header["streams"]["tokenizer"], payloads["tokenizer"], len(TOKENIZER)) == TOKENIZER


def unpacked(codec, payload, size):
    if codec == "zstd":
        return zstandard.decompress(payload)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**24}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(payload, size)


def test_frames_of_a_byte_codec_are_laid_out_as_documented():
    stores = filled(((128, 129), STORAGES[0]), ((2, 3), STORAGES[5]), ((3, 2), STORAGES[6]))
    _, payloads = taken_apart(build_artifact(contents_of(stores), ZSTD)[0])
    frames, offset = [], 0
    while offset < len(payloads["codes"]):
        length = int.from_bytes(payloads["codes"][offset : offset + 4], "little")
        frames.append(zstandard.decompress(payloads["codes"][offset + 4 : offset + 4 + length]))
        offset += 4 + length
    big, corrected, grid = (store.parts for store in stores)

    def columns(codes, rows, cols):
        return bytes(codes[cols * row + col] for col in range(cols) for row in range(rows))

    rest = columns(corrected["codes"], 2, 3) + columns(corrected["left"], 2, 1) + columns(corrected["right"], 1, 3)
    assert frames == [columns(big["codes"], 128, 129), rest + columns(grid["codes"], 3, 2)]


@pytest.mark.parametrize("codec", [RANS, ZSTD], ids=lambda codec: codec.kind)
def test_a_frame_serves_other_codes(codec):
    """What bisection does: steps and floats stay, codes change."""
    contents = contents_of(filled(((40, 30), STORAGES[0]), ((5,), STORAGES[7])))
    first = contents.stores["blocks.core.0.part"]
    codes = np.random.default_rng(5).integers(-9, 10, 1200).astype(np.int8).tobytes()
    store = replace(first, parts=first.parts | {"codes": codes})
    other = replace(contents, stores=contents.stores | {store.name: store})
    frame = build_frame(contents, codec)
    whole, summary = build_artifact(other, codec, frame)
    assert (whole, summary) == build_artifact(other, codec) == assemble(other, frame, build_codes(other, codec))
    assert len(whole) == frame.fixed_bytes + summary.stream_bytes["codes"]


def test_the_writer_refuses_what_could_not_be_read_back():
    good = small()
    name, store = next(iter(good.stores.items()))
    for bad, codec, message in [
        (replace(good, spec={"a": float("inf")}), ZSTD, "plain, finite JSON"),
        (replace(good, spec={1: "a"}), ZSTD, "string keys"),
        (replace(good, spec={"a": (1, 2)}), ZSTD, "lists for sequences"),
        (replace(good, spec={"a": object()}), ZSTD, "plain, finite JSON"),
        (replace(good, spec={"a": "x" * 2**21}), ZSTD, "at most 2097152 can be read back"),
        (replace(good, provenance={"a": 1}), ZSTD, "provenance that is not strings"),
        (replace(good, tokenizer=b"other"), ZSTD, "tokenizer: its SHA-256 is not"),
        (replace(good, stores={}), ZSTD, "names 0 stores"),
        (replace(good, stores={"other": store}), ZSTD, f"key other holds store {name}"),
        (replace(good, stores={"a\n": replace(store, name="a\n")}), ZSTD, "printable"),
        (replace(good, stores={name: replace(store, parts={"values": b"1"})}), ZSTD, f"store {name}: its parts"),
        (replace(good, stores={name: replace(store, storage=Storage("float16", 3))}), ZSTD, "which no reader knows"),
        (replace(good, states={name: store}), ZSTD, f"names store {name} twice"),
        (replace(good, states={"s": replace(store, name="s")}), ZSTD, "state s as float16; states are float32"),
        (good, Codec("zstd", 23), "quantization.codec.level is 23; zstd takes 1 to 22"),
        (good, Codec("zstd", 0), "quantization.codec.level is 0"),
        (good, Codec("rar"), "quantization.codec.kind is 'rar'"),
        (contents_of(filled(((2, 2**21), STORAGES[0]))), Codec("zlib", 1), "rows and columns"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            build_artifact(bad, codec)


def test_a_code_that_rans_has_no_symbol_for_is_refused():
    store = filled(((2, 2), STORAGES[0]))[0]
    bad = replace(store, parts=store.parts | {"codes": b"\x80\0\0\0"})
    with pytest.raises(ArtifactError, match=r"contents, codes: .*-128"):
        build_artifact(contents_of([bad]), RANS)


def test_the_container_adds_a_few_bytes_a_store():
    """60 stores as a spec names them: the table, lengths and digests, with an empty spec."""
    rng = np.random.default_rng(0)
    shapes = {"attention.query": (128, 128), "mlp.up": (256, 128), "attention.gain": (4,), "scale": (128,)}
    stores = {}
    for block in range(15):
        for part, shape in shapes.items():
            name = f"blocks.core.{block}.{part}"
            stores[name] = encode(name, rng.standard_normal(shape), INT6 if len(shape) > 1 else FLOAT16)
    contents = ArtifactContents({}, stores, None, "", {})
    frame = build_frame(contents, ZSTD)
    assert frame.fixed_bytes - len(frame.payloads["pool"]) < 60 * 8


def test_opens_with_numpy_and_zstandard_alone(tmp_path):
    for codec in (RANS, ZSTD):
        (tmp_path / f"{codec.kind}.lsa").write_bytes(build_artifact(small(), codec)[0])
    code = f"""
import sys, pathlib
class Missing:
    def find_spec(self, name, *_):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {{"loopspec", "numpy", "zstandard"}}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from loopspec.runtime.artifact import read_artifact
from loopspec.runtime.quantize import decode
for path in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):
    contents = read_artifact(path)
    for tensor in contents.tensors.values():
        decode(tensor)
    print(path.name, len(contents.tensors))
print({{"torch", "yaml", "sentencepiece", "networkx"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("rans.lsa 5\nzstd.lsa 5\nset()\n", "")
