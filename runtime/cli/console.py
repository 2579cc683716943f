"""What the terminal takes: colour, and text that its encoding lacks."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def use_colour(stream: TextIO) -> bool:
    """Colour only for a terminal, and not where NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def note(message: str) -> None:
    """One line of progress or advice, on stderr."""
    print(message, file=sys.stderr)


def complain(message: str) -> None:
    """The line with which a command fails, on stderr."""
    note(f"loopspec: {message}")


def tolerate_narrow_encodings() -> None:
    """A character that the terminal's encoding lacks becomes an escape instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def abandon_stdout() -> None:
    """Points stdout elsewhere once its reader has gone, so that the interpreter's last flush does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
