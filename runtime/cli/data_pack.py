"""`loopspec data pack`: text into shards."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .data_section import shards_section
from .errors import CLEAN, FAILURE, UserError

if TYPE_CHECKING:
    from ..data.corpus import Corpus
    from ..data.text_shards import PackedText
    from ..data.text_tokenizer import TextTokenizer

SUMMARY = "text files into shards, with their tokenizer"
DESCRIPTION = """\
Turns UTF-8 text files, and those in folders, into shards in the challenge's
format: training shards, a validation split and the tokenizer that made them,
in a new folder. Whole files are held out to validate on, or the end of a
single file. The same text gives the same bytes. Never overwrites."""
EXAMPLES: tuple[str, ...] = (
    "loopspec data pack books/ -o shards",
    "loopspec data pack a.txt b.txt -o shards --vocab-size 2048",
    "loopspec data pack notes/ -o shards --bytes --include '*.org'",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    parser.add_argument("text", metavar="TEXT", nargs="+", type=Path, help="a text file, or a folder of them")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder to make")
    tokenizer = parser.add_mutually_exclusive_group()
    tokenizer.add_argument("--tokenizer", metavar="FILE", type=Path, help="a SentencePiece .model to use")
    tokenizer.add_argument("--vocab-size", metavar="N", type=int, default=1024, help="train one (default: 1024)")
    tokenizer.add_argument("--bytes", action="store_true", help="a token a byte, 257 in all")
    parser.add_argument("--include", metavar="GLOB", action="append", help="in folders (default: *.txt, *.md)")
    parser.add_argument("--shard-tokens", metavar="N", type=int, default=100_000_000, help="default: 100000000")
    parser.add_argument("--validation-share", metavar="X", type=float, default=0.05, help="default: 0.05")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the action."""
    from ..data.text_shards import TOKENIZER_NAME, check_free, pack_text
    from .console import note
    from .failures import reported

    _check_numbers(arguments)
    folder: Path = arguments.output
    with reported():
        check_free(folder)  # before the work
        corpus = _corpus(arguments)
        for reason, count in sorted(corpus.skipped_counts.items()):
            note(f"left out: {count} files: {reason}")
        for event in corpus.events:
            note(event.message)
        tokenizer = _tokenizer(arguments, corpus, note)
        packed = pack_text(corpus, tokenizer, folder, arguments.shard_tokens)
    note(_summary(folder, packed))
    if packed.uncounted_bytes:
        note(_uncounted(packed))
    model = folder / TOKENIZER_NAME if tokenizer.model_bytes else None
    print(shards_section(folder / "train_*.bin", folder / "val_*.bin", model, tokenizer.vocab_size), end="")
    return CLEAN


def _check_numbers(arguments: argparse.Namespace) -> None:
    if arguments.shard_tokens < 1:
        raise UserError("--shard-tokens must be at least 1", FAILURE)
    if not 0 < arguments.validation_share < 1:
        raise UserError("--validation-share must be above 0 and below 1", FAILURE)


def _corpus(arguments: argparse.Namespace) -> Corpus:
    from dataclasses import replace

    from ..data.corpus import Document, SkippedFile
    from ..data.text_corpus import DEFAULT_INCLUDE, Validation, read_documents, split_corpus

    documents: list[Document] = []
    skipped: list[SkippedFile] = []
    paths: list[Path] = arguments.text
    for path in paths:
        found, left_out = read_documents(path, arguments.include or DEFAULT_INCLUDE)
        # a file's own name, so that it does not matter from where the command is run
        prefix = f"{path.resolve().name}/" if len(paths) > 1 and path.is_dir() else ""
        documents += [replace(document, name=f"{prefix}{document.name}") for document in found]
        skipped += left_out
    return split_corpus("the text", documents, skipped, Validation(arguments.validation_share))


def _tokenizer(arguments: argparse.Namespace, corpus: Corpus, note: Callable[[str], None]) -> TextTokenizer:
    from ..data.byte_tokenizer import BYTE_VALUES, ByteTokenizer
    from ..data.tokenizer import Tokenizer
    from ..data.tokenizer_cache import cached_tokenizer

    if arguments.bytes:
        return ByteTokenizer.for_vocabulary(BYTE_VALUES + 1)
    if arguments.tokenizer is not None:
        return Tokenizer.from_file(arguments.tokenizer)
    tokenizer, events = cached_tokenizer([document.text for document in corpus.train], arguments.vocab_size)
    for event in events:
        note(event.message)
    return tokenizer


def _summary(folder: Path, packed: PackedText) -> str:
    return (
        f"{folder}: {packed.train_tokens:,} tokens to train on in {packed.train_shards} shards; "
        f"{packed.validation_tokens:,} tokens, {packed.validation_bytes:,} bytes to validate on "
        f"in {packed.validation_shards}"
    )


def _uncounted(packed: PackedText) -> str:
    return (
        f"{packed.uncounted_bytes} of the validation bytes are spaces that open a document: the challenge's count "
        "leaves them out, so that bits per byte come out a little higher"
    )
