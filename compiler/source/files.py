"""Reads one source file: bounded, UTF-8 only, every fault a diagnostic."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from .diagnostic import Diagnostic, error
from .span import Span, point
from .wording import quoted

MAX_BYTES = 1 << 20
STDIN = "-"
STDIN_NAME = "<stdin>"

# U+0085, U+2028 and U+2029 are line breaks to libyaml and letters to editors; refusing them keeps line numbers true.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of a file (without a byte-order mark), and what was wrong with it."""

    file: str
    text: str
    diagnostics: tuple[Diagnostic, ...] = ()


def read_source(path: str | Path) -> SourceText:
    """Read `path`, or standard input for "-". Never raises for a bad path or bad bytes (LS001, LS002, LS003)."""
    name = STDIN_NAME if str(path) == STDIN else str(path)
    try:
        data = _read_bytes(path)
    except OSError as fault:
        reason = (fault.strerror or type(fault).__name__).lower()
        return SourceText(name, "", (_unreadable(name, reason),))
    except ValueError as fault:  # a NUL or an unencodable character in the path
        return SourceText(name, "", (_unreadable(name, str(fault)),))
    if data is None:
        message = f"{quoted(name)} is larger than {MAX_BYTES:,} bytes"
        hint = "a spec is a few hundred lines; is this the right file?"
        return SourceText(name, "", (error("LS002", point(name), message, hint),))
    return decode(data, name)


def decode(data: bytes, file: str) -> SourceText:
    """Text of `data`, with a diagnostic for the first byte or character that a spec may not hold."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        text = data.decode("utf-8", errors="replace").removeprefix("\ufeff")
        before = data[: fault.start].decode("utf-8").removeprefix("\ufeff")
        message = f"byte 0x{data[fault.start]:02x} is not valid UTF-8"
        return SourceText(file, text, (error("LS003", _place(before, file), message, "save the file as UTF-8"),))
    return SourceText(file, text, tuple(character_problems(text, file)))


def character_problems(text: str, file: str) -> list[Diagnostic]:
    """LS003 at the first character that YAML, or a one-line message, cannot hold."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return []
    message = f"the character U+{ord(found[0]):04X} is not allowed in a spec"
    return [error("LS003", _place(text[: found.start()], file), message, "remove it, or save the file as plain UTF-8")]


def split_lines(text: str) -> list[str]:
    """The lines of a source text, counted as libyaml and editors count them."""
    return _LINE_BREAK.split(text)


def _read_bytes(path: str | Path) -> bytes | None:
    """The bytes of a file, or None when there are more than `MAX_BYTES`."""
    if str(path) == STDIN:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        source = Path(path)
        if source.stat().st_size > MAX_BYTES:
            return None
        with source.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    return data if len(data) <= MAX_BYTES else None


def _unreadable(name: str, reason: str) -> Diagnostic:
    return error("LS001", point(name), f"cannot read {quoted(name)}: {reason}", "check the path")


def _place(before: str, file: str) -> Span:
    """The place of the character that follows `before`."""
    lines = split_lines(before)
    line, column = len(lines), len(lines[-1]) + 1
    return Span(file, line, column, line, column + 1)
