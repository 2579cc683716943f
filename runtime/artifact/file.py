"""The artifact on disk: written whole or not at all, read with its size known."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...compiler.spec.quantization import Codec
from ..atomic_file import write_atomically
from .builder import build_artifact
from .container import DIGEST_BYTES, MAX_HEADER_BYTES, MAX_PLAIN_BYTES, PREAMBLE, parse_artifact
from .contents import ArtifactContents, ArtifactSummary
from .errors import ArtifactError

# Compressing can make data a little larger, never by more than this.
MAX_FILE_BYTES = PREAMBLE.size + MAX_HEADER_BYTES + MAX_PLAIN_BYTES + MAX_PLAIN_BYTES // 128 + DIGEST_BYTES


def write_artifact(path: Path, contents: ArtifactContents, codec: Codec) -> ArtifactSummary:
    """Writes the artifact so that `path` holds either what it held before or the whole new file, whenever killed.

    Raises:
        ArtifactError: contents that the format cannot hold, or a failure of the file system.
    """
    check_target(path)
    whole, summary = build_artifact(contents, codec)
    write_built(path, whole)
    return summary


def check_target(path: Path) -> None:
    """Raises ArtifactError where no file could be written; to be called before the long work, too."""
    if path.exists() and not path.is_file():
        raise ArtifactError(f"{path}: is there and is no regular file; name a file for the artifact")
    if not path.parent.is_dir():
        raise ArtifactError(f"{path}: {path.parent} is no folder; make it, or choose another")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ArtifactError(f"{path}: {path.parent} cannot be written to; choose another folder")


def write_built(path: Path, whole: bytes) -> None:
    """As `write_artifact`, of bytes that `build_artifact` has made."""
    try:
        write_atomically(path, [whole])
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written ({error}); free space or choose another folder") from error


def read_artifact(path: Path) -> ArtifactContents:
    """Reads and checks an artifact, with numpy and zstandard alone.

    Raises:
        ArtifactError: no such file, or anything but a sound artifact of this format version.
    """
    return parse_artifact(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The whole of a file that may be an artifact. Raises ArtifactError for what is too long to be one, or no file."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                raise ArtifactError(f"{path}: not a regular file of at most {MAX_FILE_BYTES} bytes; give an artifact")
            return file.read(status.st_size)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error}); give an artifact that `pack` wrote") from error
