"""What analyses of trained models share: the mode, and which training tokens they run on."""

from __future__ import annotations

import argparse

from .errors import FAILURE, UserError


def add_window_arguments(parser: argparse.ArgumentParser, batches: int, sequences: int) -> None:
    """--mode, --batches, --sequences, --sequence-length and --seed."""
    parser.add_argument("--mode", metavar="MODE", help="the mode that runs (default: the one that is evaluated)")
    parser.add_argument("--batches", metavar="N", type=int, default=batches, help=f"default: {batches}")
    about = f"sequences of a batch (default: {sequences})"
    parser.add_argument("--sequences", metavar="N", type=int, default=sequences, help=about)
    about = "tokens of a sequence (default: as trained)"
    parser.add_argument("--sequence-length", metavar="N", type=int, help=about)
    parser.add_argument("--seed", metavar="N", type=int, help="of the sequences' places (default: the spec's)")


def check_window_arguments(arguments: argparse.Namespace) -> None:
    """Raises UserError for numbers that make no sense."""
    for name, least in (("batches", 1), ("sequences", 1), ("sequence_length", 1), ("seed", 0)):
        require(name, getattr(arguments, name), least)


def require(name: str, value: int | None, least: int) -> None:
    """Raises UserError for a value below the least."""
    if value is not None and value < least:
        raise UserError(f"--{name.replace('_', '-')} must be at least {least}, not {value}", FAILURE)
