"""`loopspec data`: shards from the hub or from text, and what is in them."""

from __future__ import annotations

import argparse
from typing import Protocol

from .. import data_fetch, data_inspect, data_pack
from ..help import describe

NAME = "data"
SUMMARY = "fetch, inspect or pack training data"

_DESCRIPTION = """\
Data is text, or token shards in the challenge's format beside the tokenizer
that made them; a spec names either in its `data` section. This command gets
shards from the Hugging Face hub, makes them from text of yours, and says
what is in either before anything is trained on it."""


class _Action(Protocol):
    SUMMARY: str
    DESCRIPTION: str
    EXAMPLES: tuple[str, ...]

    def configure(self, parser: argparse.ArgumentParser) -> None: ...

    def execute(self, arguments: argparse.Namespace) -> int: ...


_ACTIONS: dict[str, _Action] = {"fetch": data_fetch, "inspect": data_inspect, "pack": data_pack}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the actions, each with its arguments."""
    examples = [example for action in _ACTIONS.values() for example in action.EXAMPLES[:1]]
    describe(parser, _DESCRIPTION, *examples)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        added = actions.add_parser(
            name, help=action.SUMMARY, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        describe(added, action.DESCRIPTION, *action.EXAMPLES)
        action.configure(added)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the chosen action."""
    return _ACTIONS[arguments.action].execute(arguments)
