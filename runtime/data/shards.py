"""The challenge's token shards: 256 little-endian int32 (magic, version, n, zeros), then n little-endian uint16 tokens.

Format: parameter-golf `train_gpt.py`, `load_data_shard`, after llm.c and modded-nanogpt.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..atomic_file import write_atomically
from .errors import ShardError
from .tokenizer import MAX_VOCAB_SIZE, TokenArray

MAGIC = 20240520
VERSION = 1
HEADER_INTEGERS = 256
HEADER_BYTES = HEADER_INTEGERS * 4
TOKEN_BYTES = 2
SCAN_TOKENS = 1 << 22


def read_shard(path: Path, vocab_size: int | None = None) -> TokenArray:
    """Memory-map the tokens (n,) of a shard, read-only.

    Raises:
        ShardError: not a shard, of another size than its header says, empty, or with a token beyond `vocab_size`; the
            message names the file, the byte offset and the mend.
    """
    try:
        size = path.stat().st_size
        header = np.fromfile(path, dtype="<i4", count=HEADER_INTEGERS)
    except OSError as error:
        raise ShardError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    count = _check_header(path, header, size)
    tokens = np.memmap(path, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(count,))
    if vocab_size is not None:
        check_tokens(path, tokens, vocab_size)
    return tokens


def write_shard(path: Path, tokens: npt.NDArray[np.integer]) -> None:
    """Write `tokens` (n,) as a shard, atomically.

    Raises:
        ShardError: no tokens, or one that does not fit 16 bits.
        OSError: the folder cannot be written.
    """
    if tokens.ndim != 1 or not len(tokens):
        raise ShardError(f"{path}: a shard needs a non-empty vector of tokens, got shape {tokens.shape}")
    if int(tokens.min()) < 0 or int(tokens.max()) >= MAX_VOCAB_SIZE:
        raise ShardError(
            f"{path}: tokens reach from {tokens.min()} to {tokens.max()}; a shard holds 0 to {MAX_VOCAB_SIZE - 1}"
        )
    header = np.zeros(HEADER_INTEGERS, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(tokens)
    write_atomically(path, (header.tobytes(), tokens.astype("<u2").tobytes()))


def expand_shards(pattern: str) -> list[Path]:
    """Files that match a glob pattern (`~` allowed), sorted by name.

    Raises:
        ShardError: none does.
    """
    full = Path(pattern).expanduser()
    folder = Path(full.anchor)
    paths = sorted(folder.glob(str(full.relative_to(folder))))
    if not paths:
        raise ShardError(f"{pattern}: no file matches; give a pattern such as data/fineweb_train_*.bin")
    return paths


def _check_header(path: Path, header: npt.NDArray[np.int32], size: int) -> int:
    mend = "fetch the shard again, or write it with this format"
    if len(header) < HEADER_INTEGERS:
        raise ShardError(f"{path}: byte {size}: ends inside the {HEADER_BYTES}-byte header; {mend}")
    magic, version, count = (int(value) for value in header[:3])
    if magic != MAGIC:
        raise ShardError(f"{path}: byte 0: magic number {magic}, a shard has {MAGIC}; {mend}")
    if version != VERSION:
        raise ShardError(f"{path}: byte 4: version {version}, only {VERSION} is known; {mend}")
    if count < 1:
        raise ShardError(f"{path}: byte 8: token count {count}, must be positive; {mend}")
    expected = HEADER_BYTES + count * TOKEN_BYTES
    if size != expected:
        raise ShardError(
            f"{path}: byte {min(size, expected)}: the header says {count} tokens, {expected} bytes, "
            f"but the file has {size}; {mend}"
        )
    return count


def check_tokens(path: Path, tokens: TokenArray, vocab_size: int, first: int = 0) -> int:
    """The highest of `tokens` (n,), which begin with the `first`-th of the shard.

    Raises:
        ShardError: it is beyond the vocabulary; the message names the first such token.
    """
    highest = 0
    for start in range(0, len(tokens), SCAN_TOKENS):
        part = tokens[start : start + SCAN_TOKENS]
        highest = max(highest, int(part.max()))
        if highest >= vocab_size:
            within = int(np.argmax(part >= vocab_size))
            index = first + start + within
            raise ShardError(
                f"{path}: byte {HEADER_BYTES + index * TOKEN_BYTES}: token {part[within]} (number {index}) is beyond "
                f"the tokenizer's vocabulary of {vocab_size}; give the tokenizer that made the shards"
            )
    return highest
