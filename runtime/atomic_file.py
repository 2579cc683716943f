"""Write a file so that a reader, or a stop of process or machine at any point, sees the old content or the new one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

# A buffer rather than bytes only, so that arrays are written without a copy.
Chunk = bytes | memoryview

_RANDOM_BYTES = 8
_LEFTOVERS = f".*.{'[0-9a-f]' * (2 * _RANDOM_BYTES)}.partial"


def write_atomically(path: Path, chunks: Iterable[Chunk]) -> None:
    """Write `chunks` to a hidden neighbour, fsync it, rename it to `path` and fsync the folder.

    A symbolic link stays, and the file that it leads to is written, as by `open`. A process that is killed on the way
    leaves the neighbour behind; see `remove_leftovers`.

    Raises:
        OSError: the folder cannot be written, or `path` is there and is no regular file, such as a device, which a
            rename would replace; nothing is left behind, and before the rename an old file is untouched.
    """
    path = _regular(path)
    # Random rather than the pid, which machines that share a folder can have in common.
    partial = path.with_name(f".{path.name}.{os.urandom(_RANDOM_BYTES).hex()}.partial")
    try:
        with partial.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def _regular(path: Path) -> Path:
    """The file to be replaced or made: `path`, or where it leads."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is there and is no regular file", str(path))
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def remove_leftovers(folder: Path) -> int:
    """Remove what killed writes left in `folder`, and count it. Only for who alone writes there."""
    leftovers = list(folder.glob(_LEFTOVERS))
    for leftover in leftovers:
        leftover.unlink()
    return len(leftovers)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
