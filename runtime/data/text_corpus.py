"""A corpus from text files of the user's."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from .corpus import Corpus, Document, SkippedFile, corpus_digest, read_document
from .errors import CorpusError
from .events import DataEvent

DEFAULT_INCLUDE = ("*.txt", "*.md")
PARAGRAPH_END = re.compile(rb"\n(?:[ \t\r]*\n)+")
LINE_END = re.compile(rb"\n")


@dataclass(frozen=True, slots=True)
class Validation:
    """Which text is held out: a text of its own, else about so many bytes, else about this share of the bytes."""

    share: float = 0.05
    size: int | None = None
    path: Path | None = None

    def target(self, total: int) -> int:
        """Bytes to hold out of `total`."""
        return max(1, round(total * self.share)) if self.size is None else self.size


def text_corpus(path: Path, include: Sequence[str], validation: Validation) -> Corpus:
    """Read a text file, or those of a folder whose names match `include`, and split off text to validate on.

    A folder is split by whole files, in the order of the SHA-256 of their names; a single file at the end of a
    paragraph, its last part being held out. What has the same text as something held out is not trained on.

    Raises:
        CorpusError: nothing usable is there, or too little of it for both splits.
    """
    documents, skipped = read_documents(path, include)
    held_out: list[Document] | None = None
    if validation.path is not None:
        held_out, more = read_documents(validation.path, include)
        skipped = [*skipped, *more]
    return split_corpus(f"text {path}", documents, skipped, validation, held_out)


def split_corpus(
    name: str,
    documents: Sequence[Document],
    skipped: Sequence[SkippedFile],
    validation: Validation,
    held_out: Sequence[Document] | None = None,
) -> Corpus:
    """The documents split, or all for training where `held_out` is given; see `text_corpus`.

    Raises:
        CorpusError: too little text for both splits.
    """
    events: tuple[DataEvent, ...] = ()
    train = documents
    if held_out is None:
        split = split_files(documents, validation) if len(documents) > 1 else split_paragraphs(documents[0], validation)
        train, held_out, events = split
    texts = {document.text for document in held_out}
    copies = [SkippedFile(each.name, "same text as a validation file") for each in train if each.text in texts]
    kept = tuple(document for document in train if document.text not in texts)
    if not kept:
        raise CorpusError(f"{name}: nothing is left to train on besides the validation text; give more text")
    digest = corpus_digest(kept, held_out)
    return Corpus(kept, tuple(held_out), digest, (*skipped, *copies), name, events)


def read_documents(path: Path, include: Sequence[str]) -> tuple[list[Document], list[SkippedFile]]:
    """A file as one document, or each matching file of a folder as one; hidden files and folders are not looked at.

    Raises:
        CorpusError: nothing usable is there.
    """
    full = path.expanduser()
    if not full.is_dir():
        found = read_document(full, full.name)
        if isinstance(found, SkippedFile):
            raise CorpusError(f"{path}: {found.reason}; give a UTF-8 text file, or a folder of them")
        return [found], []
    read = [read_document(file, file.relative_to(full).as_posix()) for file in _matching(full, include)]
    documents = [each for each in read if isinstance(each, Document)]
    if not documents:
        matched = f"the {len(read)} that match cannot be used" if read else "no file matches"
        raise CorpusError(f"{path}: {matched} {', '.join(include)}; give UTF-8 text, or other globs in include")
    return documents, [each for each in read if isinstance(each, SkippedFile)]


Split = tuple[list[Document], list[Document], tuple[DataEvent, ...]]


def split_files(documents: Sequence[Document], validation: Validation) -> Split:
    """Hold out whole files up to the target; files larger than that stay for training unless all others are too.

    Raises:
        CorpusError: the target is as much as there is.
    """
    sized = [(document, len(document.text.encode())) for document in documents]
    target = _checked_target(validation, sum(size for _, size in sized), f"{len(documents)} files")
    sized.sort(key=lambda each: hashlib.sha256(each[0].name.encode()).digest())
    chosen: set[int] = set()
    taken = 0
    for number, (_, size) in enumerate(sized):
        if taken < target and size <= target:
            chosen.add(number)
            taken += size
    if not 0 < len(chosen) < len(sized):
        chosen = {min(range(len(sized)), key=lambda number: sized[number][1])}
        taken = sum(sized[number][1] for number in chosen)
    train = [document for number, (document, _) in enumerate(sized) if number not in chosen]
    held_out = [sized[number][0] for number in sorted(chosen)]
    return train, held_out, _deviation(target, taken, "whole files")


def split_paragraphs(document: Document, validation: Validation) -> Split:
    """Hold out the end of a text, cut at the end of a paragraph (or of a line, where there are no blank lines).

    Raises:
        CorpusError: the text has no such place that leaves something on both sides.
    """
    content = document.text.encode()
    target = _checked_target(validation, len(content), document.name)
    ends, unit = _ends(content, PARAGRAPH_END), "paragraphs"
    if not ends:
        ends, unit = _ends(content, LINE_END), "lines"
    if not ends:
        raise CorpusError(
            f"{document.name}: has no line end at which validation text could be split off; give a validation_path"
        )
    cut = max((end for end in ends if end <= len(content) - target), default=ends[0])
    held_out = Document(f"{document.name} from byte {cut}", content[cut:].decode())
    text, removed = _without_copies(content[:cut], [end for end in ends if end < cut], _pieces(content, ends, cut))
    events = _deviation(target, len(content) - cut, f"whole {unit}")
    if removed:
        message = f"{document.name}: {removed} {unit} that are in the validation text too are not trained on"
        events = (*events, DataEvent("paragraphs_repeated", message))
    train = [Document(f"{document.name} to byte {cut}", text.decode())] if text else []
    return train, [held_out], events


def _matching(folder: Path, include: Sequence[str]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(parent, name)
            relative = file.relative_to(folder)
            if not name.startswith(".") and any(relative.match(pattern) for pattern in include):
                yield file


def _checked_target(validation: Validation, total: int, what: str) -> int:
    target = validation.target(total)
    if target >= total:
        raise CorpusError(f"{what} hold {total} bytes, and {target} are asked to validate on; ask for fewer")
    return target


def _deviation(target: int, taken: int, unit: str) -> tuple[DataEvent, ...]:
    """An event where the text held out is not about what was asked for."""
    if target / 2 <= taken <= target * 2:
        return ()
    return (DataEvent("validation_size", f"{taken} bytes to validate on, {target} were asked for: {unit} only"),)


def _ends(content: bytes, pattern: re.Pattern[bytes]) -> list[int]:
    """Places within the text at which a piece ends and another begins."""
    return [match.end() for match in pattern.finditer(content) if 0 < match.end() < len(content)]


def _pieces(content: bytes, ends: Sequence[int], start: int) -> set[bytes]:
    places = [start, *(end for end in ends if end > start), len(content)]
    return {content[first:last].strip() for first, last in pairwise(places)} - {b""}


def _without_copies(content: bytes, ends: Sequence[int], held_out: set[bytes]) -> tuple[bytes, int]:
    """The text without pieces that are held out, and their number."""
    places = [0, *ends, len(content)]
    pieces = [content[first:last] for first, last in pairwise(places)]
    kept = [piece for piece in pieces if piece.strip() not in held_out]
    return b"".join(kept), len(pieces) - len(kept)
