"""A folder of generated files that never loses what somebody else wrote into it, and is never half-written."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import UserError

_ENTRY = re.compile(r"^#   ([0-9a-f]{64})  (\S+)$", re.MULTILINE)
_START = "# Written by loopspec compile. SHA-256 of each file, so that later changes are noticed:\n"
_END = "# end of the list\n"


def seal(texts: Mapping[str, str], main: str) -> dict[str, str]:
    """`texts` by file name, where `main` (in which # starts a comment) opens with the SHA-256 of each of them."""
    entries = "".join(f"#   {_digest(text)}  {name}\n" for name, text in texts.items())
    return {**texts, main: f"{_START}{entries}{_END}{texts[main]}"}


def foreign_files(folder: Path, names: Mapping[str, str], main: str) -> list[str]:
    """Those of `names` that are in `folder` and are not as `seal` left them."""
    listed: dict[str, str] = {}
    if (folder / main).is_file():
        head, _, body = _read(folder / main).partition(_END)
        listed = {name: digest for digest, name in _ENTRY.findall(head)}
        if listed.get(main) == _digest(body):
            listed[main] = _digest(_read(folder / main))
    present = [name for name in names if (folder / name).exists() or (folder / name).is_symlink()]
    return [name for name in present if not _is(folder / name, listed.get(name))]


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes all files beside their places first, and only then moves them there; a new folder appears at once.

    Raises:
        OSError: the folder cannot be written; nothing has changed.
        UserError: `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give another place with -o")
    home = folder if folder.is_dir() else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=home, prefix=f".{folder.name}."))
    try:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding="utf-8", newline="\n")
        if home is folder:
            for name in texts:
                (stage / name).replace(folder / name)
        else:
            stage.chmod(0o755)  # mkdtemp gives 0700
            stage.rename(folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)  # already gone where it became the folder


def _is(path: Path, digest: str | None) -> bool:
    return path.is_file() and not path.is_symlink() and _digest(_read(path)) == digest


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="surrogateescape")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()
