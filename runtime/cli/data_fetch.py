"""`loopspec data fetch`: the challenge's shards from the hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from .data_section import shards_section
from .errors import CLEAN, FAILURE, UserError

SUMMARY = "FineWeb shards and their tokenizer, from the Hugging Face hub"
DESCRIPTION = """\
Fetches the challenge's FineWeb shards (200 MB each), all validation shards
and the tokenizer into DIR, in the challenge's own layout. Every file is
checked when it has come; what is there and whole is not fetched again, so a
broken fetch goes on when the same command is run again. Needs the extra:
pip install 'loopspec[fineweb]'"""
EXAMPLES: tuple[str, ...] = (
    "loopspec data fetch fineweb --variant sp1024 --shards 10",
    "loopspec data fetch fineweb --variant sp8192 --shards 80 -o /data",
)
VARIANT_NAMES = ("sp1024", "sp4096", "sp8192")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    parser.add_argument("set", metavar="SET", choices=("fineweb",), help="fineweb")
    parser.add_argument("--variant", choices=VARIANT_NAMES, default="sp1024", help="tokenizer (default: sp1024)")
    parser.add_argument("--shards", metavar="N", type=int, default=1, help="training shards (default: 1)")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, default=Path("data"), help="default: data")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="another data set of the hub with the same layout")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the action."""
    from ..data.fineweb import VARIANTS, fetch_fineweb
    from ..data.hub import hub_download
    from .console import note
    from .failures import reported

    if arguments.shards < 1:
        raise UserError("--shards must be at least 1", FAILURE)
    variant = VARIANTS[arguments.variant]
    with reported():
        fetched = fetch_fineweb(variant, arguments.shards, arguments.output, hub_download, note, arguments.repo)
    folder = fetched.train[0].parent
    patterns = (folder / "fineweb_train_*.bin", folder / "fineweb_val_*.bin")
    print(shards_section(*patterns, fetched.tokenizer, fetched.vocab_size), end="")
    return CLEAN
