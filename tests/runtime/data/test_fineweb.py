"""Fetching from a folder that is laid out as the hub is; only the download itself is stood in for."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from loopspec.runtime.data.errors import FetchError
from loopspec.runtime.data.fineweb import VARIANTS, Variant, fetch_fineweb
from loopspec.runtime.data.shards import read_shard, write_shard

TOKENIZER = Path(__file__).parents[2] / "golden" / "bpb_tiny.model"
TINY = Variant("sp400", "someone/parameter-golf", 400)


class Hub:
    """A repository in a folder, and every file that was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def download(self, repository: str, name: str, folder: Path) -> Path:
        self.asked.append(name.removeprefix("datasets/"))
        source = self.folder / repository / name
        if not source.is_file():
            raise FetchError(f"{name} of {repository} was not fetched: not there")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return target


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    root = tmp_path / "hub" / TINY.repository / "datasets"
    shards = root / "datasets" / "fineweb10B_sp400"
    shards.mkdir(parents=True)
    for name, seed in [("train_000000", 0), ("train_000001", 1), ("train_000002", 2), ("val_000000", 3)]:
        write_shard(shards / f"fineweb_{name}.bin", np.random.default_rng(seed).integers(0, 400, 50))
    (root / "tokenizers").mkdir()
    shutil.copy(TOKENIZER, root / "tokenizers" / "fineweb_400_bpe.model")
    manifest = {
        "datasets": [
            {
                "name": "fineweb10B_sp400",
                "tokenizer_name": "sp_bpe_400",
                "stats": {"files_train": 3, "files_val": 1},
            }
        ],
        "tokenizers": [{"name": "sp_bpe_400", "model_path": "tokenizers/fineweb_400_bpe.model"}],
    }
    (root / "manifest.json").write_text(json.dumps(manifest))
    return Hub(tmp_path / "hub")


def remote(hub: Hub, name: str) -> Path:
    return hub.folder / TINY.repository / "datasets" / name


SHARD = "datasets/fineweb10B_sp400/fineweb_train_{:06d}.bin"
VALIDATION = "datasets/fineweb10B_sp400/fineweb_val_000000.bin"
MODEL = "tokenizers/fineweb_400_bpe.model"


def test_the_challenges_layout_is_there_afterwards_and_only_what_was_asked_for(hub, tmp_path):
    notes = []
    fetched = fetch_fineweb(TINY, 2, tmp_path / "data", hub.download, notes.append)
    names = [MODEL, VALIDATION, SHARD.format(0), SHARD.format(1)]
    assert hub.asked == ["manifest.json", *names]
    there = {
        path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*") if path.is_file()
    }
    assert there == {"manifest.json", *names}
    assert (fetched.tokenizer, *fetched.validation, *fetched.train) == tuple(tmp_path / "data" / name for name in names)
    assert read_shard(fetched.train[1]).tolist() == np.random.default_rng(1).integers(0, 400, 50).tolist()
    assert notes[0].startswith("[1/4] ") and notes[-1].startswith("[4/4] ") and notes[-1].endswith(": 50 tokens")


def test_what_is_whole_is_not_fetched_again_and_what_is_not_is(hub, tmp_path):
    folder = tmp_path / "data"
    missing = remote(hub, SHARD.format(1))
    content = missing.read_bytes()
    missing.unlink()
    with pytest.raises(FetchError, match=r"fineweb_train_000001\.bin of someone/parameter-golf was not fetched"):
        fetch_fineweb(TINY, 2, folder, hub.download, print)
    missing.write_bytes(content)
    (folder / VALIDATION).write_bytes((folder / VALIDATION).read_bytes()[:-2])
    hub.asked.clear()
    notes = []
    fetch_fineweb(TINY, 3, folder, hub.download, notes.append)
    assert hub.asked == ["manifest.json", VALIDATION, SHARD.format(1), SHARD.format(2)]
    assert any("the header says 50 tokens" in note and note.endswith("fetching it again") for note in notes)
    assert len(read_shard(folder / VALIDATION)) == 50
    hub.asked.clear()
    fetch_fineweb(TINY, 3, folder, hub.download, notes.append)
    assert hub.asked == ["manifest.json"] and not (folder / ".fetch").exists()


def test_files_that_arrive_damaged_do_not_get_their_name(hub, tmp_path):
    remote(hub, SHARD.format(0)).write_bytes(b"<html>busy</html>")
    with pytest.raises(FetchError, match=r"train_000000\.bin of someone/parameter-golf arrived damaged: .*byte 17"):
        fetch_fineweb(TINY, 1, tmp_path / "data", hub.download, print)
    assert not (tmp_path / "data" / SHARD.format(0)).exists()
    assert list((tmp_path / "data").rglob("*.model"))
    assert not list((tmp_path / "data" / ".fetch").rglob("*.bin")), "the next try must not take it for whole"


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (SHARD.format(0), lambda path: write_shard(path, np.array([1, 400])), "token 400 .* vocabulary of 400"),
        (MODEL, lambda path: path.write_bytes(b"?"), "not a SentencePiece model"),
        ("manifest.json", lambda path: path.write_text("{"), "is not JSON"),
        ("manifest.json", lambda path: path.write_text("[]"), "lists no data sets"),
        ("manifest.json", lambda path: path.write_text("{}"), r"no fineweb10B_sp400 among its datasets \(it has: none"),
        (
            "manifest.json",
            lambda path: path.write_text('{"datasets": [{"name": "fineweb10B_sp400"}]}'),
            r"does not describe fineweb10B_sp400 as known \(KeyError\('stats'\)\)",
        ),
        (
            "manifest.json",
            lambda path: path.write_text(path.read_text().replace("tokenizers/fineweb", "../fineweb")),
            "puts a tokenizer at '../fineweb_400_bpe.model'",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(hub, tmp_path, name, write, message):
    write(remote(hub, name))
    with pytest.raises(FetchError, match=message):
        fetch_fineweb(TINY, 1, tmp_path / "data", hub.download, print)


def test_a_tokenizer_of_another_size_and_too_many_shards_are_refused(hub, tmp_path):
    with pytest.raises(FetchError, match="has 3 training shards of sp400, 4 were asked for"):
        fetch_fineweb(TINY, 4, tmp_path / "data", hub.download, print)
    with pytest.raises(FetchError, match="has 400 pieces, sp400 means 500"):
        fetch_fineweb(Variant("sp400", TINY.repository, 500), 1, tmp_path / "data", hub.download, print)


def test_the_variants_say_where_and_how_large():
    assert {name: (each.data_set, each.vocab_size) for name, each in VARIANTS.items()} == {
        "sp1024": ("fineweb10B_sp1024", 1024),
        "sp4096": ("fineweb10B_sp4096", 4096),
        "sp8192": ("fineweb10B_sp8192", 8192),
    }
