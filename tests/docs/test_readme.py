"""The README shows what the tool says today, and its commands exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from loopspec.runtime.cli.registry import COMMANDS

sys.path.insert(0, str(Path(__file__).parent))
from readme import filled

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_shown_pieces_are_current() -> None:
    assert filled(README) == README, "run: python tests/docs/readme.py README.md"


def test_every_command_that_it_names_exists() -> None:
    shown = set(re.findall(r"\$ loopspec (\w+)", README))
    assert shown <= COMMANDS.keys()
    assert {"new", "validate", "plan", "compile", "train", "pack", "eval", "unpack", "run"} <= shown


def test_every_make_target_that_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:\$ |`)make ([a-z-]+)", README)) <= targets


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / target).exists(), target
