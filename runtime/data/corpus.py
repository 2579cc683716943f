"""Documents split for training and validation, and the embedded corpus: source of the interpreter's standard library.

The latter is on every machine that can run this program, is about 10 MB of English and code, and needs no network. It
depends on the interpreter's version, so `Corpus.sha256` belongs into every record of a run.
"""

import hashlib
import os
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import CorpusError
from .events import DataEvent

DEFAULT_VALIDATION_BYTES = 100_000
SENTENCEPIECE_SPACE = "\u2581"  # stands for a space inside SentencePiece: a text that holds it cannot be given back

# Folders that are no part of the library proper.
EXCLUDED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "__pycache__", "site-packages", "dist-packages", "ensurepip"}
)
# Code tables are generated and near copies of each other: with one of them in the validation split and its siblings in
# the training split the score would measure copying.
CODE_TABLE_FOLDER = "encodings"
MACHINE_MODULE_PREFIX = "_sysconfigdata"  # build paths of this interpreter: would make the corpus differ by machine


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its path relative to the corpus root, with forward slashes, and its text with line ends as stored."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not in the corpus although it lies in its folders, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents split by file; no file, and no file's text, is in both splits.

    `sha256` covers names and texts of both splits in order; `name` says what it is, for people.
    """

    train: tuple[Document, ...]
    validation: tuple[Document, ...]
    sha256: str
    skipped: tuple[SkippedFile, ...]
    name: str = "embedded corpus"
    events: tuple[DataEvent, ...] = ()

    @property
    def skipped_counts(self) -> dict[str, int]:
        """Number of skipped files by reason."""
        return dict(Counter(file.reason for file in self.skipped))


def standard_library_corpus(validation_bytes: int = DEFAULT_VALIDATION_BYTES, root: Path | None = None) -> Corpus:
    """Read the `*.py` files below `root` (default: the running interpreter's standard library) and split them.

    Raises:
        CorpusError: the source is not there (a zipped or bytecode-only library), or is too small for the split.
    """
    folder = root if root is not None else Path(sysconfig.get_paths()["stdlib"])
    documents: list[Document] = []
    skipped: list[SkippedFile] = []
    for path in _source_files(folder):
        name = path.relative_to(folder).as_posix()
        found = _read(path, name)
        if isinstance(found, Document):
            documents.append(found)
        else:
            skipped.append(found)
    if not documents:
        raise CorpusError(
            f"{folder}: no usable *.py source of the standard library here (zipped or bytecode-only Python?); "
            "use an interpreter installed with its source, or train on token shards"
        )
    return split_documents(documents, validation_bytes, skipped)


def split_documents(
    documents: Sequence[Document], validation_bytes: int = DEFAULT_VALIDATION_BYTES, skipped: Sequence[SkippedFile] = ()
) -> Corpus:
    """Order documents by the SHA-256 of their names, then split off the first ones for validation.

    The order mixes folders and is the same everywhere. Documents are taken for validation until their UTF-8 sizes sum
    up to `validation_bytes` or more; one larger than a quarter of it is left to training so that validation holds
    several files. A training document with the same text as a validation document is dropped and listed as skipped.

    Raises:
        CorpusError: `validation_bytes` is not positive, or the documents do not suffice for both splits.
    """
    if validation_bytes < 1:
        raise CorpusError(f"validation_bytes = {validation_bytes}: must be positive")
    ordered = sorted(documents, key=lambda document: hashlib.sha256(document.name.encode()).digest())
    validation, train = _divide(ordered, validation_bytes)
    held_out = {document.text for document in validation}
    copies = [
        SkippedFile(document.name, "same text as a validation file") for document in train if document.text in held_out
    ]
    kept = tuple(document for document in train if document.text not in held_out)
    if not kept:
        raise CorpusError(f"nothing is left to train on besides {validation_bytes} validation bytes; ask for fewer")
    return Corpus(kept, tuple(validation), corpus_digest(kept, validation), (*skipped, *copies))


def _source_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - EXCLUDED_FOLDERS)  # os.walk does not enter what is taken out here
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".py"))


def _read(path: Path, name: str) -> Document | SkippedFile:
    if name.startswith(f"{CODE_TABLE_FOLDER}/"):
        return SkippedFile(name, "generated code table")
    if path.name.startswith(MACHINE_MODULE_PREFIX):
        return SkippedFile(name, "describes this machine")
    return read_document(path, name)


def read_document(path: Path, name: str) -> Document | SkippedFile:
    """The text of a file as stored, or why it cannot be used."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return SkippedFile(name, "not UTF-8")
    except OSError as error:
        return SkippedFile(name, f"unreadable: {error.strerror}")
    if not text:
        return SkippedFile(name, "empty")
    if SENTENCEPIECE_SPACE in text:
        return SkippedFile(name, "contains U+2581")
    return Document(name, text)


def _divide(ordered: Sequence[Document], validation_bytes: int) -> tuple[list[Document], list[Document]]:
    validation: list[Document] = []
    train: list[Document] = []
    taken = 0
    for document in ordered:
        size = len(document.text.encode())
        if taken < validation_bytes and size * 4 <= validation_bytes:
            validation.append(document)
            taken += size
        else:
            train.append(document)
    if taken < validation_bytes:
        raise CorpusError(
            f"the {len(ordered)} documents give only {taken} of {validation_bytes} validation bytes "
            "(files over a quarter of that are not taken); ask for another amount"
        )
    return validation, train


def corpus_digest(train: Sequence[Document], validation: Sequence[Document]) -> str:
    """Hexadecimal sha256 over names and texts of both splits in order."""
    digest = hashlib.sha256()
    for split, documents in (("train", train), ("validation", validation)):
        for document in documents:
            content = document.text.encode()
            digest.update(f"{split}\0{document.name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
