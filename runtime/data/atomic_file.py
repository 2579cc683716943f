"""Write a file so that a reader, or a crash at any point, sees the old content or the new, never a part."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

# A buffer rather than bytes only, so that arrays are written without a copy.
Chunk = bytes | memoryview


def write_atomically(path: Path, chunks: Iterable[Chunk]) -> None:
    """Write `chunks` to a temporary neighbour, fsync it, rename it to `path` and fsync the folder.

    Raises:
        OSError: the folder cannot be written; nothing is left behind and an old file is untouched.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # mkstemp gives 0600, which other users of a shared cache could not read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
