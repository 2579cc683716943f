"""The commands. Only the module of the chosen one is imported, so that `validate` stays quick and free of torch."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Protocol, cast

COMMANDS: dict[str, tuple[str, str]] = {
    "new": (".commands.new", "write a small spec to start from"),
    "validate": (".commands.validate", "check specs; every problem with its place and its mend"),
    "plan": (".commands.plan", "what is stored, where it runs, what it costs and weighs"),
    "fit": (".commands.fit", "the largest model that fits the budget, over keys that vary"),
    "show": (".commands.show", "a spec as written, or resolved"),
    "diff": (".commands.diff", "what differs between two specs and between their plans"),
    "explain": (".commands.explain", "a key of the language, or a diagnostic code"),
    "compile": (".commands.compile", "write the model's source, its dedup map and its plan"),
    "export": (".commands.export", "write a script that scores an artifact without loopspec"),
    "probe": (".commands.probe", "what learns and what acts, in a few small steps"),
    "train": (".commands.train", "train a spec into a run folder, or resume one"),
    "pack": (".commands.pack", "pack a run's weights into an artifact"),
    "unpack": (".commands.unpack", "write an artifact's spec, source, weights and tokenizer as files"),
    "inspect": (".commands.inspect", "what an artifact holds, and what each store weighs"),
    "verify": (".commands.verify", "check all of an artifact, and rebuild its model"),
    "data": (".commands.data", "fetch, inspect or pack training data"),
    "eval": (".commands.eval", "score an artifact in bits per byte"),
    "influence": (".commands.influence", "how much each position turns the stream; blocks to tie"),
    "sensitivity": (".commands.sensitivity", "what rounding each row of each store would cost"),
    "run": (".commands.run", "the whole way: train, pack, and score the packed artifact"),
    "runs": (".commands.runs", "the runs in a folder, and what each has come to"),
    "compare": (".commands.compare", "runs side by side at equal steps, tokens or FLOPs"),
}
"""Command -> module below this package, and the summary that `loopspec --help` prints."""


class Command(Protocol):
    """What the module of a command has."""

    NAME: str
    SUMMARY: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Adds arguments, description and examples."""

    def execute(self, arguments: argparse.Namespace) -> int:
        """Runs the command; returns the exit code."""


def load_command(name: str) -> Command:
    """The module of a command; `name` is a key of COMMANDS."""
    return cast(Command, import_module(COMMANDS[name][0], __package__))
