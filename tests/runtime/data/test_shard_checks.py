"""Shards checked before training."""

import numpy as np
import pytest

from loopspec.runtime.data.errors import ShardError
from loopspec.runtime.data.shard_checks import check_shards, shards_sha256
from loopspec.runtime.data.shards import write_shard


def shards(folder, *arrays):
    paths = [folder / f"shard_{index}.bin" for index in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        write_shard(path, np.array(array))
    return paths


def test_all_headers_are_checked_before_any_token(tmp_path):
    paths = shards(tmp_path, [1, 99], [1], [1])
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[:-1])
    with pytest.raises(
        ShardError, match=r"shard_2\.bin: byte 1025: the header says 1 tokens, 1026 bytes, but the file"
    ):
        check_shards(paths, 50)
    paths[2].write_bytes(content)
    with pytest.raises(ShardError, match=r"shard_0\.bin: byte 1026: token 99 \(number 1\) is beyond the tokenizer's"):
        check_shards(paths, 50)


@pytest.mark.parametrize("place", [0, 450, 999])
def test_of_many_tokens_start_middle_and_end_are_looked_at(tmp_path, place):
    good, bad = np.arange(1000) % 50, np.arange(1000) % 50
    bad[place] = 70
    paths = shards(tmp_path, good, bad)
    told = []
    with pytest.raises(ShardError, match=rf"shard_1\.bin: byte {1024 + 2 * place}: token 70 \(number {place}\)"):
        check_shards(paths, 50, lambda *each: told.append(each), budget=600)
    assert told == [(1, 2)]


def test_what_was_not_looked_at_is_said(tmp_path):
    array = np.arange(1000) % 50
    array[300] = 70
    checked = check_shards(shards(tmp_path, array), 50, budget=300)
    assert [event.kind for event in checked.events] == ["shards_scanned_in_part"]
    assert checked.events[0].message.startswith("looked at 300 of 1,000 training tokens")
    assert len(checked.arrays[0]) == 1000


def test_shards_of_a_far_smaller_vocabulary_are_noticed(tmp_path):
    (event,) = check_shards(shards(tmp_path, np.arange(1000) % 4), 10).events
    assert event.kind == "vocabulary_unused" and "highest training token is 3, the tokenizer has 10" in event.message
    assert check_shards(shards(tmp_path, np.arange(1000) % 6), 10).events == ()


def test_the_digest_depends_on_names_sizes_and_ends_and_not_on_the_folder(tmp_path):
    first = shards(tmp_path, np.arange(9000), np.arange(10))
    (tmp_path / "moved").mkdir()
    same = shards(tmp_path / "moved", np.arange(9000), np.arange(10))
    assert shards_sha256(first) == shards_sha256(same) != shards_sha256(first[:1])
    changed = np.arange(9000)
    changed[-1] = 0
    assert shards_sha256(shards(tmp_path / "moved", changed, np.arange(10))) != shards_sha256(first)
