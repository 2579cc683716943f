"""`loopspec eval`: the score of an artifact, from the file alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CLEAN, UserError
from ..help import describe
from ..run_arguments import add_device

if TYPE_CHECKING:
    from ...data.text_tokenizer import TextTokenizer
    from ...evaluate.score import Score
    from ...pipeline.console import Console
    from ...pipeline.scoring import OpenedArtifact, ScoredText

NAME = "eval"
SUMMARY = "score an artifact in bits per byte"

_DESCRIPTION = """\
Opens an artifact, rebuilds its model from the spec inside, and scores it on
the validation text of that spec, or on a text file of yours: bits per byte
(BPB) over a sliding window, every target once, bytes counted from the text.
The validation text must be the one that the artifact was packed beside; the
standard library differs between Python versions, and then --text is needed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    describe(
        parser,
        _DESCRIPTION,
        "loopspec eval runs/quickstart-001/artifact.loopspec",
        "loopspec eval model.loopspec --text notes.txt --format json",
        "loopspec eval model.loopspec --mode deeper",
    )
    parser.add_argument("artifact", metavar="ARTIFACT", type=Path)
    parser.add_argument("--text", metavar="FILE", type=Path, help="score this UTF-8 file instead")
    parser.add_argument("--tokenizer", metavar="FILE", type=Path, help="where the artifact does not carry its own")
    parser.add_argument("--stride", metavar="N", type=int, help="targets a window scores (default: the spec's)")
    parser.add_argument("--non-overlapping", action="store_true", help="also the score of windows side by side")
    parser.add_argument("--mode", metavar="MODE", help="run this mode of the model (default: the spec's)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    add_device(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from ...pipeline.console import Console
    from ...pipeline.device import choose_device
    from ...pipeline.scoring import open_artifact, score_settings, score_text
    from ..failures import reported

    if arguments.stride is not None and arguments.stride < 1:
        raise UserError("--stride must be at least 1")
    console = Console()
    with reported():
        opened = open_artifact(arguments.artifact)
        # before the data: a bad stride or mode shows at once
        settings = score_settings(opened.plan, arguments.stride, arguments.mode)
        device = choose_device(arguments.device, opened.plan.spec, console.note)
        text = _text(arguments, opened, console)
        result = score_text(opened, text, settings, device, console.counter("windows"))
        apart = None
        if arguments.non_overlapping:
            settings = score_settings(opened.plan, settings.sequence_length, arguments.mode)
            apart = score_text(opened, text, settings, device, console.counter("windows side by side"))
    if arguments.format == "json":
        record = _record(arguments.artifact, text.description, settings.mode, result)
        record |= {} if apart is None else {"non_overlapping_bits_per_byte": apart.bits_per_byte}
        print(json.dumps(record, indent=2))
    else:
        print(_report(text.description, settings.mode, result))
        if apart is not None:
            print(f"{apart.bits_per_byte:.4f} bits per byte in windows side by side")
    return CLEAN


def _record(artifact: Path, text: str, mode: str, result: Score) -> dict[str, object]:
    settling = result.settling
    return {
        "artifact": str(artifact),
        "artifact_bytes": artifact.stat().st_size,
        "text": text,
        "mode": mode,
        "bits_per_byte": result.bits_per_byte,
        "loss": result.loss,
        "tokens": result.tokens,
        "bytes": result.bytes,
        "seconds": result.seconds,
        **({} if settling is None else {"extra_cycles": settling.cycles, "last_change": settling.last_change}),
    }


def _report(text: str, mode: str, result: Score) -> str:
    lines = [
        f"{result.bits_per_byte:.4f} bits per byte of {text}",
        f"{result.bytes:,} bytes in {result.tokens:,} tokens, {result.loss:.4f} nats a token, "
        f"{result.seconds:.1f} s, mode {mode}",
    ]
    settling = result.settling
    if settling is not None:
        change = f"the last changes the stream by {settling.last_change:.4g}"
        lines.append(f"{settling.cycles:.1f} extra cycles a batch; {change}")
    return "\n".join(lines)


def _text(arguments: argparse.Namespace, opened: OpenedArtifact, console: Console) -> ScoredText:
    from ...pipeline.scoring import artifact_validation, text_file

    tokenizer = _tokenizer(arguments, opened, console)
    if arguments.text is not None:
        return text_file(arguments.text, tokenizer, opened.plan)
    return artifact_validation(arguments.artifact, opened, tokenizer, console.note)


def _tokenizer(arguments: argparse.Namespace, opened: OpenedArtifact, console: Console) -> TextTokenizer:
    from ...data.tokenizer import Tokenizer
    from ...pipeline.prepare import spec_tokenizer
    from ...pipeline.scoring import check_tokenizer

    if arguments.tokenizer is not None:
        tokenizer: TextTokenizer = Tokenizer.from_file(arguments.tokenizer)
    elif opened.tokenizer is not None:
        tokenizer = opened.tokenizer
    else:
        tokenizer = spec_tokenizer(opened.plan, console.note)
    check_tokenizer(opened, tokenizer)
    return tokenizer
