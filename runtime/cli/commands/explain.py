"""`loopspec explain`: the language and the diagnostics, from the text that the compiler itself goes by."""

from __future__ import annotations

import argparse
import re
import textwrap

from ....compiler.source.codes import TITLES
from ....compiler.source.codes import explain as explain_code
from ....compiler.source.wording import did_you_mean, quoted
from ..errors import CLEAN, UserError
from ..help import describe
from ..key_text import key_text, sections_text

NAME = "explain"
SUMMARY = "a key of the language, or a diagnostic code"

_DESCRIPTION = """\
Explains a key of the language (its meaning, type, range and default) or a
diagnostic code (what is wrong, why it matters, how to mend it). The end of a
key's name will do where only one key has it. Without an argument: all codes
and the sections of a spec."""

_CODE = re.compile(r"LS\d+")
_WIDTH = 79


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec explain blocks.core.attention.kv_heads",
        "loopspec explain graph.skips.kind",
        "loopspec explain LS008",
    )
    parser.add_argument("subject", metavar="KEY|CODE", nargs="?", help="a dotted key, or a code such as LS008")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    print(_explained(arguments.subject), end="")
    return CLEAN


def _explained(subject: str | None) -> str:
    if subject is None:
        return f"{sections_text()}\ndiagnostic codes\n{_codes_text()}"
    code = subject.upper()
    if code in TITLES:
        return f"{_wrapped(explain_code(code))}\n"
    if _CODE.fullmatch(code):
        raise UserError(f"there is no diagnostic {quoted(code)}; {did_you_mean(code, list(TITLES))}")
    return key_text(subject)


def _codes_text() -> str:
    return "".join(f"  {code}  {title}\n" for code, title in TITLES.items())


def _wrapped(text: str) -> str:
    """Paragraphs filled to the width of a terminal; indented ones, which are examples, stay as they are."""
    paragraphs = text.strip("\n").split("\n\n")
    return "\n\n".join(part if part.startswith((" ", "-")) else textwrap.fill(part, _WIDTH) for part in paragraphs)
