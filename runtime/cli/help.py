"""The shape of every `--help`: usage, a description, the arguments, then examples to copy. Fits 80 columns."""

from __future__ import annotations

import argparse


def new_parser(program: str) -> argparse.ArgumentParser:
    """A parser that keeps the line breaks of its description and refuses abbreviated options."""
    return argparse.ArgumentParser(
        prog=program, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def describe(parser: argparse.ArgumentParser, description: str, *examples: str) -> None:
    """Sets the description and the examples, each a whole command line."""
    parser.description = description.strip()
    parser.epilog = "\n".join(["examples:", *(f"  {example}" for example in examples)])
