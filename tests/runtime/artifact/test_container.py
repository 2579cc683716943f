from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from loopspec.compiler.spec.quantization import Clip, Codec, Scheme
from loopspec.runtime.artifact import ArtifactContents, ArtifactError, build_artifact, parse_artifact
from loopspec.runtime.artifact.container import MAGIC, PREAMBLE
from loopspec.runtime.quantize import encode

INT6, FLOAT16 = Scheme("integer", 6, Clip("std", 12.85)), Scheme("float16")
SCHEMES = [INT6, Scheme("integer", 8, Clip("absmax")), FLOAT16, Scheme("float32"), Scheme("integer", 2, Clip("absmax"))]
TOKENIZER = b"tokenizer model"


def contents_of(shapes_and_schemes, tokenizer=TOKENIZER, seed=0):
    rng = np.random.default_rng(seed)
    stores = {
        f"blocks.core.{i}.part": encode(f"blocks.core.{i}.part", rng.standard_normal(shape), scheme)
        for i, (shape, scheme) in enumerate(shapes_and_schemes)
    }
    return ArtifactContents(
        spec={"name": "tiny", "model": {"dim": 8, "rate": 3e-4, "tied": True, "none": None, "list": [1, "é"]}},
        stores=stores,
        tokenizer=tokenizer,
        tokenizer_sha256=hashlib.sha256(TOKENIZER).hexdigest(),
        provenance={"corpus": "stdlib", "validation": "abc"},
    )


def with_states(contents, *shapes):
    rng = np.random.default_rng(1)
    names = [f"stages.trunk.state_{i}" for i in range(len(shapes))]
    float32 = Scheme("float32")
    states = {
        name: encode(name, rng.standard_normal(shape), float32) for name, shape in zip(names, shapes, strict=True)
    }
    return replace(contents, states=states)


def small():
    return contents_of([((), FLOAT16), ((3,), Scheme("float32")), ((4, 8), INT6), ((2, 2, 2), SCHEMES[1])])


def assemble(head: bytes, data: bytes, version: int = 2) -> bytes:
    body = PREAMBLE.pack(MAGIC, version, len(head), len(data)) + head + data
    return body + hashlib.sha256(body).digest()


def taken_apart(whole: bytes) -> tuple[dict, bytes]:
    _, _, head, _ = PREAMBLE.unpack_from(whole)
    header = json.loads(zstandard.decompress(whole[PREAMBLE.size : PREAMBLE.size + head]))
    return header, whole[PREAMBLE.size + head : -32]


def with_header(change) -> bytes:
    """A small artifact whose header `change` has edited in place, with lengths and digest made right again."""
    header, data = taken_apart(build_artifact(with_states(small(), (4,)), Codec())[0])
    header = change(header) or header
    return assemble(zstandard.compress(json.dumps(header, sort_keys=True, separators=(",", ":")).encode()), data)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 5), max_size=4).map(tuple), st.sampled_from(SCHEMES[1:])),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([None, b"", TOKENIZER]),
    st.sampled_from([1, 9, 22]),
    st.lists(st.lists(st.integers(1, 5), max_size=2).map(tuple), max_size=3),
)
def test_round_trip(shapes_and_schemes, tokenizer, level, states):
    contents = with_states(contents_of(shapes_and_schemes, tokenizer), *states)
    if tokenizer is not None:
        contents = replace(contents, tokenizer_sha256=hashlib.sha256(tokenizer).hexdigest())
    whole, summary = build_artifact(contents, Codec(level=level))
    read = parse_artifact(whole, "x")
    assert read == contents
    assert list(read.stores) == list(contents.stores) and list(read.states) == list(contents.states)
    assert list(summary.store_bytes) == [*contents.stores, *contents.states]
    assert summary.bytes == len(whole) == 60 + summary.header_bytes + summary.data_bytes
    assert summary.sha256 == hashlib.sha256(whole).hexdigest()


def test_round_trip_of_stores_with_frames_of_their_own():
    contents = contents_of([((128, 128), INT6), ((5, 3), INT6), ((130, 200), SCHEMES[1]), ((20_000,), FLOAT16)])
    whole, summary = build_artifact(contents, Codec())
    assert parse_artifact(whole, "x") == contents
    own, pooled = summary.store_bytes["blocks.core.2.part"], summary.store_bytes["blocks.core.1.part"]
    assert 130 * 200 * 5.5 / 8 < own < 130 * 200 and 5 < pooled < 60
    assert abs(sum(summary.store_bytes.values()) - summary.data_bytes) < 64


def test_round_trip_of_an_untrained_store_of_zeros():
    contents = replace(small(), stores={"w": encode("w", np.zeros((4096, 1024)), INT6)})
    whole, _ = build_artifact(contents, Codec())
    assert parse_artifact(whole, "x") == contents
    assert len(whole) < 2000


def test_the_same_contents_give_the_same_bytes_and_the_documented_preamble():
    whole = build_artifact(small(), Codec())[0]
    assert whole == build_artifact(small(), Codec())[0]
    head, data = int.from_bytes(whole[12:20], "little"), int.from_bytes(whole[20:28], "little")
    assert whole[:12] == bytes.fromhex("894c535045430d0a02000000")
    assert len(whole) == 60 + head + data
    assert whole[-32:] == hashlib.sha256(whole[:-32]).digest()


def test_the_data_section_is_laid_out_as_documented():
    """Rebuilds frame contents from FORMAT.md alone."""
    stores = [((128, 129), INT6), ((2, 3), INT6), ((2,), FLOAT16), ((3,), Scheme("float32"))]
    contents = with_states(contents_of(stores), (4,), (2, 2))
    header, section = taken_apart(build_artifact(contents, Codec())[0])
    assert header["states"] == [["stages.trunk.state_0", [4]], ["stages.trunk.state_1", [2, 2]]]
    frames, offset = [], 0
    while offset < len(section):
        length = int.from_bytes(section[offset : offset + 4], "little")
        frames.append(zstandard.decompress(section[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    big, tiny, halves, whole = (store.parts for store in contents.stores.values())
    floats = whole["values"] + b"".join(state.parts["values"] for state in contents.states.values())
    words = big["steps"] + tiny["steps"] + halves["values"]
    steps = big["steps"] + tiny["steps"]
    pool = bytes(tiny["codes"][3 * row + col] for col in range(3) for row in range(2))
    pool += steps[::2] + steps[1::2] + halves["values"][::2] + halves["values"][1::2]
    pool += floats[::4] + floats[1::4] + floats[2::4] + floats[3::4]
    assert len(words) == 2 * (128 + 2 + 2)
    assert frames[0] == bytes(big["codes"][129 * row + col] for col in range(129) for row in range(128))
    assert frames[1:] == [pool, TOKENIZER]


def test_a_file_cut_anywhere_is_refused():
    whole = build_artifact(small(), Codec())[0]
    for length in range(len(whole)):
        with pytest.raises(ArtifactError, match=r"^cut\.lsa: .*; (copy|give)"):
            parse_artifact(whole[:length], "cut.lsa")


def test_every_flipped_bit_is_refused():
    whole = bytearray(build_artifact(small(), Codec())[0])
    for bit in range(8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError, match=r"^flipped\.lsa: "):
            parse_artifact(bytes(whole), "flipped.lsa")
        whole[bit // 8] ^= 1 << bit % 8


def test_bytes_after_the_end_are_refused():
    with pytest.raises(ArtifactError, match="where its preamble says"):
        parse_artifact(build_artifact(small(), Codec())[0] + b"\0", "x")


def test_another_format_version_is_refused():
    with pytest.raises(ArtifactError, match="x: format version 3; this loopspec reads 2"):
        parse_artifact(assemble(b"", b"", version=3), "x")


def set_key(*path_and_value):
    *path, last, value = path_and_value

    def change(header):
        for key in path:
            header = header[key]
        header[last] = value

    return change


LIES = {
    "unknown key": (set_key("offsets", []), "x, header: has unknown offsets"),
    "missing key": (lambda h: {k: v for k, v in h.items() if k != "spec"}, "x, header: has no spec"),
    "huge shape": (set_key("stores", 2, 1, [10**12]), r"store blocks.core.2.part the shape \[1000000000000\]"),
    "huge product": (set_key("stores", 2, 1, [2**20, 2**20]), "shape .*; sizes are 1 or more, their product"),
    "negative": (set_key("stores", 2, 1, [-4, -8]), "shape .*; sizes are 1 or more"),
    "zero": (set_key("stores", 2, 1, [0, 8]), "shape .*; sizes are 1 or more"),
    "boolean size": (set_key("stores", 2, 1, [True, 32]), "shape .*; sizes are 1 or more"),
    "other shape": (set_key("stores", 2, 1, [4, 9]), "data section, frame 0: holds .* where shapes imply"),
    "many sizes": (set_key("stores", 2, 1, [1] * 9), "is not a list of at most 8"),
    "too many stores": (set_key("stores", [["a", [], 0]] * (2**16 + 1)), "not a list of at most 65536"),
    "no stores": (set_key("stores", []), "is not in canonical form"),
    "same name": (set_key("stores", 3, 0, "blocks.core.2.part"), "names store blocks.core.2.part twice"),
    "empty name": (set_key("stores", 3, 0, ""), "store name of 0 characters"),
    "row too short": (set_key("stores", 3, ["a", [1]]), "store row 3 that is not"),
    "index": (set_key("stores", 3, 2, 4), "store row 3 that is not"),
    "boolean index": (set_key("stores", 3, 2, True), "store row 3 that is not"),
    "negative index": (set_key("stores", 3, 2, -1), "store row 3 that is not"),
    "unused encoding": (
        lambda h: h["encodings"].append({"codec": "zstd", "scheme": {"kind": "float32"}}),
        "not in canonical form",
    ),
    "codec": (set_key("encodings", 0, "codec", "rans"), "by codec 'rans'; this version knows zstd"),
    "scheme": (set_key("encodings", 0, "scheme", {"kind": "ternary"}), "encodings.0.: scheme .* is not known"),
    "bits": (set_key("encodings", 2, "scheme", "bits", 9), "encodings.2.: scheme .* is not known"),
    "clip": (set_key("encodings", 2, "scheme", "clip", {"kind": "std", "k": -1}), "scheme .* is not known"),
    "states missing": (lambda h: {k: v for k, v in h.items() if k != "states"}, "x, header: has no states"),
    "state unlisted": (set_key("states", []), "data section, frame 0: holds .* where shapes imply"),
    "state row": (set_key("states", 0, ["a", [1], 0]), "state row 0 that is not .name, shape."),
    "state row too long": (set_key("states", 0, ["a", [1], 0, 0]), "states.0.: is not a list of at most 3"),
    "state shape": (set_key("states", 0, 1, [0]), "store stages.trunk.state_0 the shape .0.; sizes are 1 or more"),
    "state called as a store": (set_key("states", 0, 0, "blocks.core.2.part"), "names .* blocks.core.2.part twice"),
    "too many states": (set_key("states", [["a", []]] * (2**16 + 1)), "not a list of at most 65536"),
    "tokenizer bytes": (set_key("tokenizer", "bytes", -1), "tokenizer.bytes not a size"),
    "tokenizer absent": (set_key("tokenizer", "bytes", None), "bytes after the last frame"),
    "tokenizer other": (set_key("tokenizer", "sha256", "0" * 64), "x, tokenizer: its SHA-256 is not"),
    "tokenizer hex": (set_key("tokenizer", "sha256", "xyz"), "64 lower-case hex digits"),
    "provenance": (set_key("provenance", "corpus", 1), "provenance.corpus: is not a string"),
    "spec": (set_key("spec", []), "spec: is not an object"),
    "list": (lambda h: [h], "x, header: is not an object"),
    "not finite": (set_key("spec", "name", float("nan")), "x, header: spec and provenance must be plain"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused(lie):
    change, message = LIES[lie]
    with pytest.raises(ArtifactError, match=message) as caught:
        parse_artifact(with_header(change), "x")
    assert str(caught.value).startswith("x, ")


def test_a_header_with_spaces_or_repeated_keys_or_no_json_is_refused():
    header, data = taken_apart(build_artifact(small(), Codec())[0])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"))
    for other, message in [
        (json.dumps(header, sort_keys=True), "canonical"),
        (text[:-1] + ',"spec":{}}', "canonical"),
        (text[:-1], "not JSON"),
        ("[" * 100_000, "not JSON"),
        (text.replace("tiny", "t\u00efny"), "not JSON"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            parse_artifact(assemble(zstandard.compress(other.encode()), data), "x")


def test_data_frames_that_lie_are_refused():
    header, data = taken_apart(build_artifact(small(), Codec())[0])
    head = zstandard.compress(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    length = int.from_bytes(data[:4], "little")
    pool, rest = data[4 : 4 + length], data[4 + length :]
    plain = zstandard.decompress(pool)
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(plain)
    for frames, message in [
        (b"", "ends before frame 0 of 2"),
        (data[:-3], "frame 1: .* reach past the end"),
        (data + b"\0", "1 bytes after the last frame"),
        ((2**32 - 1).to_bytes(4, "little") + pool + rest, "frame 0: 4294967295 bytes reach past the end"),
        (len(plain).to_bytes(4, "little") + plain + rest, "frame 0: not a zstd frame"),
        (len(streamed).to_bytes(4, "little") + streamed + rest, "frame 0: its zstd frame declares no size"),
        ((length + 1).to_bytes(4, "little") + pool + b"\0" + rest, "frame 0: damaged zstd frame"),
        ((length - 1).to_bytes(4, "little") + pool[:-1] + rest, "frame 0: damaged zstd frame"),
    ]:
        with pytest.raises(ArtifactError, match=f"x, data section.*{message}"):
            parse_artifact(assemble(head, frames), "x")


def json_frame(header) -> bytes:
    return zstandard.compress(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())


def bombs():
    """Files whose decompressed size is gigabytes: as the header, and as stores whose declared shapes agree with it."""
    header, data = taken_apart(build_artifact(contents_of([((2,), FLOAT16)], None), Codec())[0])
    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=2**30)
    zeros = b"".join(compressor.compress(bytes(2**20)) for _ in range(2**10)) + compressor.flush()
    yield assemble(zeros, data), "header: 1073741824 bytes of JSON; at most"
    impossible = bytearray(zstandard.compress(bytes(2**17)))
    assert impossible[4] & 0xC0 == 0x80  # a content size of four bytes follows
    impossible[5:9] = (2**30).to_bytes(4, "little")
    header["stores"][0][1] = [2**29]
    frame = len(impossible).to_bytes(4, "little") + bytes(impossible)
    yield assemble(json_frame(header), frame), "bytes of zstd cannot hold the declared 1073741824"
    header["stores"] = [["a", [2**30], 0], ["b", [2**30], 0]]
    yield assemble(json_frame(header), data), "its shapes imply 4294967296 bytes; at most"


def test_bombs_are_refused_with_bounded_memory():
    cases = list(bombs())
    tracemalloc.start()
    for whole, message in cases:
        with pytest.raises(ArtifactError, match=message):
            parse_artifact(whole, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_the_writer_refuses_what_could_not_be_read_back():
    good = small()
    name, store = next(iter(good.stores.items()))
    for bad, codec, message in [
        (replace(good, spec={"a": float("inf")}), Codec(), "plain, finite JSON"),
        (replace(good, spec={1: "a"}), Codec(), "string keys"),
        (replace(good, spec={"a": (1, 2)}), Codec(), "lists for sequences"),
        (replace(good, spec={"a": object()}), Codec(), "plain, finite JSON"),
        (replace(good, provenance={"a": 1}), Codec(), "provenance that is not strings"),
        (replace(good, tokenizer=b"other"), Codec(), "tokenizer: its SHA-256 is not"),
        (replace(good, stores={}), Codec(), "names 0 stores"),
        (replace(good, stores={"other": store}), Codec(), f"key other holds store {name}"),
        (replace(good, stores={name: replace(store, parts={"values": b"1"})}), Codec(), f"store {name}: its parts"),
        (replace(good, states={name: store}), Codec(), f"names store {name} twice"),
        (replace(good, states={"s": replace(store, name="s")}), Codec(), "state s as float16; states are float32"),
        (good, Codec(level=23), "quantization.codec.level is 23; zstd takes 1 to 22"),
        (good, Codec(level=0), "quantization.codec.level is 0"),
        (good, Codec(kind="rans"), "quantization.codec.kind is 'rans'"),
    ]:
        with pytest.raises(ArtifactError, match=message):
            build_artifact(bad, codec)


def test_the_container_adds_a_few_bytes_a_store():
    """60 stores as a spec names them: the table, frames' headers and digest, with an empty spec."""
    rng = np.random.default_rng(0)
    shapes = {"attention.query": (128, 128), "mlp.up": (256, 128), "attention.gain": (4,), "scale": (128,)}
    stores = {}
    for block in range(15):
        for part, shape in shapes.items():
            name = f"blocks.core.{block}.{part}"
            stores[name] = encode(name, rng.standard_normal(shape), INT6 if len(shape) > 1 else FLOAT16)
    whole, summary = build_artifact(ArtifactContents({}, stores, None, "", {}), Codec())
    assert parse_artifact(whole, "x").stores == stores
    assert summary.header_bytes + 60 < 60 * 8


def test_reading_imports_neither_torch_nor_sentencepiece(tmp_path):
    path = tmp_path / "tiny.lsa"
    path.write_bytes(build_artifact(small(), Codec())[0])
    code = (
        "import sys, pathlib; from loopspec.runtime.artifact import read_artifact; "
        f"from loopspec.runtime.quantize import decode; c = read_artifact(pathlib.Path({str(path)!r})); "
        "[decode(s) for s in c.stores.values()]; print(len(c.stores), {'torch', 'sentencepiece'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "4 set()\n"
