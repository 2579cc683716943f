"""Text packed into the challenge's format: shards, and the tokenizer that made them."""

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .byte_table import ByteTable
from .corpus import Corpus
from .errors import PackError
from .shards import write_shard
from .text_tokenizer import TextTokenizer
from .token_source import tokenize
from .tokenizer import TokenArray

TRAIN_NAME, VALIDATION_NAME = "train_{:06d}.bin", "val_{:06d}.bin"
TOKENIZER_NAME = "tokenizer.model"


@dataclass(frozen=True, slots=True)
class PackedText:
    """What was written: tokens and shards of each split, and how far the challenge's byte count is off.

    Attributes:
        uncounted_bytes: spaces at the start of validation documents, which the challenge's byte table leaves out: a
            score of these shards is higher than the truth by that share.
    """

    train_tokens: int
    train_shards: int
    validation_tokens: int
    validation_shards: int
    validation_bytes: int
    uncounted_bytes: int


def pack_text(corpus: Corpus, tokenizer: TextTokenizer, folder: Path, shard_tokens: int) -> PackedText:
    """Write shards of both splits and the tokenizer to a new `folder`: all of it or nothing, the same bytes each time.

    Documents open with the tokenizer's beginning-of-document token; shards are cut wherever they are full.

    Raises:
        PackError: the folder is there already and not empty, or the tokenizer cannot open documents.
        ByteAccountingError: the tokenizer changes some text.
        OSError: the folder cannot be written.
    """
    assert shard_tokens > 0
    if tokenizer.bos_id is None:
        raise PackError("shards need a token that opens documents; use 257 byte values or a SentencePiece model")
    check_free(folder)
    table = ByteTable.from_tokenizer(tokenizer)
    splits = {
        TRAIN_NAME: tokenize(corpus.train, tokenizer, table),
        VALIDATION_NAME: tokenize(corpus.validation, tokenizer, table),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        counts = {name: _write_split(stage, name, tokens, shard_tokens) for name, tokens in splits.items()}
        if tokenizer.model_bytes:
            (stage / TOKENIZER_NAME).write_bytes(tokenizer.model_bytes)
        stage.chmod(0o755)  # mkdtemp gives 0700
        stage.replace(folder)  # over an empty folder, or to a free name
    finally:
        shutil.rmtree(stage, ignore_errors=True)  # gone where it became the folder
    size = sum(len(document.text.encode()) for document in corpus.validation)
    return PackedText(
        train_tokens=len(splits[TRAIN_NAME]),
        train_shards=counts[TRAIN_NAME],
        validation_tokens=len(splits[VALIDATION_NAME]),
        validation_shards=counts[VALIDATION_NAME],
        validation_bytes=size,
        uncounted_bytes=size - _challenge_bytes(splits[VALIDATION_NAME], tokenizer),
    )


def check_free(folder: Path) -> None:
    """Raises PackError where something is at the place of the new folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise PackError(f"{folder} exists already; name another folder with -o, or remove it")


def _write_split(folder: Path, name: str, tokens: TokenArray, shard_tokens: int) -> int:
    shards = math.ceil(len(tokens) / shard_tokens)
    for index in range(shards):
        write_shard(folder / name.format(index), tokens[index * shard_tokens : (index + 1) * shard_tokens])
    return shards


def _challenge_bytes(validation: TokenArray, tokenizer: TextTokenizer) -> int:
    return ByteTable.from_tokenizer(tokenizer, dummy_prefix=True).total(np.asarray(validation))
