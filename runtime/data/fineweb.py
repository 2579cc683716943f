"""The challenge's FineWeb shards and tokenizers, fetched from the Hugging Face hub.

Layout of the hub's data sets, after parameter-golf `data/cached_challenge_fineweb.py`: everything below `datasets/`;
`manifest.json` there names each data set with its tokenizer and its numbers of files, `datasets/fineweb10B_sp1024/`
holds `fineweb_train_000000.bin` and up and `fineweb_val_000000.bin`, `tokenizers/` the SentencePiece models.
Locally the leading `datasets/` is dropped, as the challenge does.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic_file import sync_folder, write_atomically
from .errors import DataError, FetchError
from .shards import read_shard
from .tokenizer import Tokenizer

REMOTE_ROOT = "datasets"
MANIFEST = "manifest.json"
STAGE = ".fetch"
RESUME = "run the same command again to go on"

Download = Callable[[str, str, Path], Path]
"""(repository, file in it, folder for it, made if need be) -> the file; goes on with one that was broken off."""
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """Shards made with one tokenizer: the repository that has them by default, and the size of the vocabulary."""

    name: str
    repository: str
    vocab_size: int

    @property
    def data_set(self) -> str:
        """The name in the manifest, and of the folder."""
        return f"fineweb10B_{self.name}"


# The challenge's own repository has no shards of the larger vocabularies: the records fetch a participant's.
VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("sp1024", "willdepueoai/parameter-golf", 1024),
        Variant("sp4096", "kevclark/parameter-golf", 4096),
        Variant("sp8192", "kevclark/parameter-golf", 8192),
    )
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where everything is, for a spec."""

    tokenizer: Path
    train: tuple[Path, ...]
    validation: tuple[Path, ...]
    vocab_size: int


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches files of one repository into a folder, each checked before it gets its name there."""

    download: Download
    repository: str
    folder: Path
    note: Note

    def get(self, name: str, check: Callable[[Path], str], label: str = "") -> Path:
        """The local file for `name` below the remote root: the one that is there if it passes `check`, else fetched.

        `check` returns a few words about a good file and raises DataError for another.

        Raises:
            FetchError: it cannot be fetched, or what came is wrong.
        """
        path = self.folder / name
        if path.is_file():
            try:
                about = check(path)
            except DataError as error:
                self.note(f"{error}; fetching it again")
            else:
                self.note(f"{label}{path}: there already, {about}")
                return path
        arrived = self.arrived(name)
        try:
            about = check(arrived)
        except DataError as error:
            arrived.unlink()
            raise FetchError(f"{REMOTE_ROOT}/{name} of {self.repository} arrived damaged: {error}; {RESUME}") from error
        path.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(path)
        sync_folder(path.parent)
        self.note(f"{label}{path}: {about}")
        return path

    def arrived(self, name: str) -> Path:
        """The file as it came, in the folder for what is on its way."""
        return self.download(self.repository, f"{REMOTE_ROOT}/{name}", self.folder / STAGE)


def fetch_fineweb(
    variant: Variant, shards: int, folder: Path, download: Download, note: Note, repository: str | None = None
) -> Fetched:
    """Fetch `shards` training shards, all validation shards and the tokenizer; what is there and whole stays.

    Raises:
        FetchError: a file cannot be fetched or is not what it should be, or there are not so many shards.
        OSError: the folder cannot be written.
    """
    fetcher = Fetcher(download, variant.repository if repository is None else repository, folder, note)
    manifest = _manifest(fetcher)
    tokenizer_path, train, validation = _files(manifest, variant, shards, fetcher.repository)
    count = len(train) + len(validation) + 1

    def label(number: int) -> str:
        return f"[{number}/{count}] "

    tokenizer = fetcher.get(tokenizer_path, lambda path: _check_tokenizer(path, variant), label(1))
    shard_names = [*validation, *train]  # the short way to a first run: validation, then as many shards as there are
    paths = [
        fetcher.get(name, lambda path: _check_shard(path, variant), label(number))
        for number, name in enumerate(shard_names, 2)
    ]
    shutil.rmtree(folder / STAGE)
    return Fetched(tokenizer, tuple(paths[len(validation) :]), tuple(paths[: len(validation)]), variant.vocab_size)


def _manifest(fetcher: Fetcher) -> dict[str, Any]:
    """The repository's list of data sets, always the newest; kept locally for the challenge's own scripts."""
    arrived = fetcher.arrived(MANIFEST)
    content = arrived.read_bytes()
    try:
        manifest = json.loads(content)
    except ValueError as error:
        arrived.unlink()
        raise FetchError(f"{REMOTE_ROOT}/{MANIFEST} of {fetcher.repository} is not JSON ({error}); {RESUME}") from error
    if not isinstance(manifest, dict):
        raise FetchError(f"{REMOTE_ROOT}/{MANIFEST} of {fetcher.repository} lists no data sets; give another --repo")
    fetcher.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(fetcher.folder / MANIFEST, [content])
    return manifest


def _files(
    manifest: dict[str, Any], variant: Variant, shards: int, repository: str
) -> tuple[str, list[str], list[str]]:
    """Tokenizer, training and validation shards, as paths below the remote root."""
    data_set = _entry(manifest, "datasets", variant.data_set, repository)
    try:
        available, held_out = (int(data_set["stats"][key]) for key in ("files_train", "files_val"))
        tokenizer_name = str(data_set["tokenizer_name"])
        tokenizer = str(_entry(manifest, "tokenizers", tokenizer_name, repository)["model_path"])
    except (KeyError, TypeError, ValueError) as error:
        raise FetchError(
            f"{MANIFEST} of {repository} does not describe {variant.data_set} as known ({error!r}); give another --repo"
        ) from error
    if not tokenizer.startswith("tokenizers/") or ".." in Path(tokenizer).parts:
        raise FetchError(f"{MANIFEST} of {repository} puts a tokenizer at {tokenizer!r}; give another --repo")
    if shards > available:
        raise FetchError(f"{repository} has {available} training shards of {variant.name}, {shards} were asked for")
    base = f"datasets/{variant.data_set}"
    train = [f"{base}/fineweb_train_{index:06d}.bin" for index in range(shards)]
    return tokenizer, train, [f"{base}/fineweb_val_{index:06d}.bin" for index in range(held_out)]


def _entry(manifest: dict[str, Any], kind: str, name: str, repository: str) -> dict[str, Any]:
    listed = manifest.get(kind)
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    for entry in entries:
        if entry.get("name") == name:
            return entry
    names = ", ".join(str(entry.get("name")) for entry in entries) or "none"
    raise FetchError(f"{repository} has no {name} among its {kind} (it has: {names}); give another --variant or --repo")


def _check_tokenizer(path: Path, variant: Variant) -> str:
    tokenizer = Tokenizer.from_file(path)
    if tokenizer.vocab_size != variant.vocab_size:
        raise FetchError(f"{path}: has {tokenizer.vocab_size} pieces, {variant.name} means {variant.vocab_size}")
    return f"{tokenizer.vocab_size} pieces"


def _check_shard(path: Path, variant: Variant) -> str:
    tokens = read_shard(path, variant.vocab_size)
    return f"{len(tokens):,} tokens"
