"""The way from the command line to a command and back to an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Sequence

from .console import abandon_stdout, complain, tolerate_narrow_encodings
from .errors import BROKEN_PIPE, CLEAN, FAILURE, INTERRUPTED, UserError
from .help import describe, new_parser
from .registry import COMMANDS, load_command

TRACEBACK_VARIABLE = "LOOPSPEC_TRACEBACK"

_DESCRIPTION = """\
Compiles a YAML spec of a weight-shared language model: a verdict on its byte
budget before any run, a module, a dedup map, a packed artifact and its score.

A SPEC is a file, `-` for standard input, or the name of a spec that comes
with loopspec, such as frugendorff-6x2."""


def main(argv: list[str] | None = None) -> int:
    """Runs a command line (without the program's name; None: this process's).

    Returns the exit code: 0 clean, 1 problems in the user's input, 2 wrong usage or a failure, 130 on Ctrl-C, 141 when
    the reader of a pipe went away. User errors never raise.
    """
    # beside busy neighbours, OpenMP threads that spin make a training step several times slower; torch reads this once
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # start-up makes many objects that live on; collecting at the default pace costs a tenth of `validate`
    gc.set_threshold(50_000, 20, 20)
    tolerate_narrow_encodings()
    try:
        code = _guarded(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        abandon_stdout()
        return BROKEN_PIPE
    except OSError as fault:
        return _failed(_os_error_text(fault))
    # The one broad catch: anything else is a fault of this tool, and its user gets a line instead of a stack.
    except Exception as fault:  # noqa: BLE001
        hint = f"set {TRACEBACK_VARIABLE}=1 to see where"
        return _failed(f"internal error: {type(fault).__name__}: {fault}; {hint}")
    return code


def _guarded(words: Sequence[str]) -> int:
    """The command's exit code, or that of a usage or user error, which is reported here."""
    try:
        return _dispatch(words)
    except UserError as fault:
        if str(fault):
            complain(str(fault))
        return fault.exit_code
    except SystemExit as stop:  # argparse, after --help and after wrong usage
        return stop.code if isinstance(stop.code, int) else CLEAN


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0] not in COMMANDS:
        return _without_command(words)
    name, *rest = words
    command = load_command(name)
    parser = new_parser(f"loopspec {name}")
    command.configure(parser)
    return command.execute(parser.parse_args(rest))


def _without_command(words: Sequence[str]) -> int:
    """`loopspec`, `loopspec --help`, `loopspec --version`, and commands that do not exist."""
    parser = new_parser("loopspec")
    parser.usage = "loopspec COMMAND [ARGUMENT ...]"
    width = max(map(len, COMMANDS)) + 2
    listed = "\n".join(f"  {name:<{width}}{summary}" for name, (_, summary) in COMMANDS.items())
    description = f"{_DESCRIPTION}\n\ncommands (loopspec COMMAND --help tells more):\n{listed}"
    describe(parser, description, "loopspec validate frugendorff-6x2", "loopspec new my.yaml", "loopspec explain LS008")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    if words and not words[0].startswith("-"):
        raise UserError(_no_such_command(words[0]), FAILURE)
    if parser.parse_args(words).version:
        print(f"loopspec {_version()}")
        return CLEAN
    parser.print_help(sys.stderr)
    return FAILURE


def _no_such_command(word: str) -> str:
    from ...compiler.source.wording import did_you_mean, quoted  # only wanted for this message

    return f"there is no command {quoted(word)}; {did_you_mean(word, list(COMMANDS))}"


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and rarely wanted

    try:
        return version("loopspec")
    except PackageNotFoundError:
        return "(a source tree, not installed)"


def _os_error_text(fault: OSError) -> str:
    reason = (fault.strerror or str(fault) or type(fault).__name__).lower()
    return f"{fault.filename}: {reason}" if fault.filename is not None else reason


def _failed(message: str) -> int:
    """Reports the exception at hand."""
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exc()
    complain(message)
    return FAILURE
