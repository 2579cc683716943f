"""Token shards: the challenge's bytes, and one clear error for each way in which a file can be wrong."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.runtime.data.errors import ShardError
from loopspec.runtime.data.shards import expand_shards, read_shard, write_shard

GOLDEN = Path(__file__).parents[2] / "golden"
SHARDS = [GOLDEN / "shard_s_000.bin", GOLDEN / "shard_s_001.bin"]


def test_reads_the_challenges_shards():
    tokens = np.concatenate([read_shard(path, 400) for path in SHARDS])
    np.testing.assert_array_equal(tokens, np.load(GOLDEN / "bpb_eval_loader.npz")["tokens"][: len(tokens)])
    assert [len(read_shard(path)) for path in SHARDS] == [100, 57]


@pytest.mark.parametrize("path", SHARDS)
def test_writes_the_same_bytes(tmp_path, path):
    write_shard(tmp_path / "copy.bin", read_shard(path))
    assert (tmp_path / "copy.bin").read_bytes() == path.read_bytes()


@examples(25)
@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50))
def test_round_trip(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("shards") / "shard.bin"
    write_shard(path, np.array(values))
    assert read_shard(path, 65536).tolist() == values


def test_pages_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        read_shard(SHARDS[0])[0] = 1


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (0, 20240521, "byte 0: magic number 20240521, a shard has 20240520"),
        (4, 2, "byte 4: version 2, only 1 is known"),
        (8, 0, "byte 8: token count 0, must be positive"),
        (8, -5, "byte 8: token count -5, must be positive"),
        (8, 101, r"byte 1224: the header says 101 tokens, 1226 bytes, but the file has 1224"),
        (8, 99, r"byte 1222: the header says 99 tokens, 1222 bytes, but the file has 1224"),
    ],
)
def test_a_wrong_header_is_named(tmp_path, position, value, message):
    content = bytearray(SHARDS[0].read_bytes())
    struct.pack_into("<i", content, position, value)
    path = tmp_path / "wrong.bin"
    path.write_bytes(bytes(content))
    with pytest.raises(ShardError, match=rf"wrong\.bin: {message}; fetch the shard again"):
        read_shard(path)


@pytest.mark.parametrize("size", [0, 3, 1023])
def test_a_short_file_is_named(tmp_path, size):
    path = tmp_path / "short.bin"
    path.write_bytes(SHARDS[0].read_bytes()[:size])
    with pytest.raises(ShardError, match=rf"short\.bin: byte {size}: ends inside the 1024-byte header"):
        read_shard(path)


def test_a_token_beyond_the_vocabulary_is_named(tmp_path):
    path = tmp_path / "shard.bin"
    write_shard(path, np.array([1, 2, 399, 3, 400]))
    assert len(read_shard(path, 401)) == 5
    with pytest.raises(
        ShardError, match=r"byte 1032: token 400 \(number 4\) is beyond the tokenizer's vocabulary of 400"
    ):
        read_shard(path, 400)


@pytest.mark.parametrize("tokens", [np.array([], int), np.array([-1]), np.array([65536]), np.array([[1]])])
def test_unwritable_tokens_are_refused(tmp_path, tokens):
    with pytest.raises(ShardError, match=r"shard\.bin: "):
        write_shard(tmp_path / "shard.bin", tokens)
    assert not list(tmp_path.iterdir())


def test_patterns_expand_in_order(tmp_path, monkeypatch):
    for name in ("b_1.bin", "b_0.bin", "c.bin"):
        (tmp_path / name).touch()
    expected = [tmp_path / "b_0.bin", tmp_path / "b_1.bin"]
    assert expand_shards(f"{tmp_path}/b_*.bin") == expected
    monkeypatch.chdir(tmp_path)
    assert expand_shards("b_*.bin") == [Path("b_0.bin"), Path("b_1.bin")]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_shards("~/b_*.bin") == expected
    with pytest.raises(ShardError, match=r"d_\*\.bin: no file matches"):
        expand_shards("d_*.bin")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ShardError, match=r"none\.bin: cannot be read: No such file"):
        read_shard(tmp_path / "none.bin")
