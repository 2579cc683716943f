"""`loopspec data inspect`: what is in shards, in text, or in a spec's data."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CLEAN, FAILURE, PROBLEMS, UserError

if TYPE_CHECKING:
    from ..data.inspection import ShardsReport
    from ..data.text_tokenizer import TextTokenizer

SUMMARY = "tokens, documents, vocabulary, bytes and problems"
DESCRIPTION = """\
Reads all of some shards, of text files, or of what a spec's data section
names, and says what is in them: tokens, documents, how much of the
vocabulary is used, bytes of text, how the first begins, and what is wrong.
Shards do not say which tokenizer made them: without one their documents
and bytes are not known. The exit code is 1 where there are problems."""
EXAMPLES: tuple[str, ...] = (
    "loopspec data inspect 'data/*_train_*.bin'",
    "loopspec data inspect shards/ --tokenizer shards/tokenizer.model",
    "loopspec data inspect books/ --format json",
    "loopspec data inspect my.yaml",
)
SPEC_SUFFIXES = (".yaml", ".yml")
_GLOB = frozenset("*?[")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    about = "shards, text files, a folder or a glob of either, or one SPEC"
    parser.add_argument("target", metavar="PATH|GLOB|SPEC", nargs="+", help=about)
    tokenizer = parser.add_mutually_exclusive_group()
    tokenizer.add_argument("--tokenizer", metavar="FILE", type=Path, help="the SentencePiece .model of the shards")
    tokenizer.add_argument("--bytes", action="store_true", help="the shards hold bytes")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def execute(arguments: argparse.Namespace) -> int:
    """Runs the action."""
    from .failures import reported

    with reported():
        record = _record(arguments)
    if arguments.format == "json":
        print(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        print("\n".join(line for name, part in record.items() for line in _lines(name, part)))
    return PROBLEMS if any(part["problems"] for part in record.values()) else CLEAN


def _record(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Reports by name: shards, text, or the splits of a spec."""
    targets: list[str] = arguments.target
    if len(targets) == 1 and _is_spec(targets[0]):
        if arguments.tokenizer is not None or arguments.bytes:
            raise UserError("a spec names its own tokenizer; leave out --tokenizer and --bytes", FAILURE)
        return _spec_record(targets[0])
    paths = [path for target in targets for path in _paths(target)]
    tokenizer = _tokenizer(arguments)
    shards = [path for path in paths if _is_shard(path)]
    texts = [path for path in paths if path not in shards]
    record: dict[str, dict[str, Any]] = {}
    if shards:
        record["shards"] = _shards(shards, tokenizer)
    if texts:
        record["text"] = _text(texts, tokenizer)
    return record


def _is_spec(target: str) -> bool:
    """A spec's file, standard input, or what is no path at all: a shipped spec's name."""
    path = Path(target).expanduser()
    return target == "-" or path.suffix in SPEC_SUFFIXES or not (path.exists() or _GLOB & set(target) or path.suffix)


def _paths(target: str) -> list[Path]:
    """What a target stands for: a file, the shards of a folder or else the folder as text, the matches of a glob."""
    from ..data.shards import expand_shards

    path = Path(target).expanduser()
    if path.is_dir():
        return sorted(path.rglob("*.bin")) or [path]
    return [path] if path.exists() or not _GLOB & set(target) else expand_shards(target)


def _is_shard(path: Path) -> bool:
    from ..data.shards import MAGIC

    if path.suffix == ".bin" or not path.exists():
        return True
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "little")


def _tokenizer(arguments: argparse.Namespace) -> TextTokenizer | None:
    from ..data.byte_tokenizer import BYTE_VALUES, ByteTokenizer
    from ..data.tokenizer import Tokenizer

    if arguments.bytes:
        return ByteTokenizer.for_vocabulary(BYTE_VALUES + 1)
    return None if arguments.tokenizer is None else Tokenizer.from_file(arguments.tokenizer)


def _shards(paths: list[Path], tokenizer: TextTokenizer | None) -> dict[str, Any]:
    from ..data.inspection import inspect_shards

    return _shards_record(inspect_shards(paths, tokenizer))


def _shards_record(report: ShardsReport) -> dict[str, Any]:
    plain = asdict(report)
    return {**plain, "problems": list(report.problems)}


def _text(paths: list[Path], tokenizer: TextTokenizer | None) -> dict[str, Any]:
    from collections import Counter

    from ..data.corpus import Document, SkippedFile
    from ..data.inspection import inspect_documents
    from ..data.text_corpus import DEFAULT_INCLUDE, read_documents

    documents: list[Document] = []
    skipped: list[SkippedFile] = []
    for path in paths:
        found, left_out = read_documents(path, DEFAULT_INCLUDE)
        documents += found
        skipped += left_out
    problems = [f"{count} files left out: {reason}" for reason, count in Counter(s.reason for s in skipped).items()]
    return {**asdict(inspect_documents(documents, tokenizer)), "problems": problems}


def _spec_record(spec: str) -> dict[str, dict[str, Any]]:
    from ..data.inspection import inspect_documents
    from ..data.shards import expand_shards
    from ..pipeline.prepare import spec_corpus, spec_tokenizer
    from .console import note
    from .spec_argument import usable_plan

    plan = usable_plan(spec)
    tokenizer = spec_tokenizer(plan, note)
    corpus = spec_corpus(plan)
    if corpus is None:
        source = plan.spec.data.source
        assert source.train is not None and source.validation is not None
        train = expand_shards(source.train)[: source.limit]
        return {
            "train": _shards(train, tokenizer),
            "validation": _shards(expand_shards(source.validation), tokenizer),
        }
    for event in corpus.events:
        note(event.message)
    for reason, count in sorted(corpus.skipped_counts.items()):
        note(f"left out: {count} files: {reason}")
    splits = {"train": corpus.train, "validation": corpus.validation}
    return {
        name: {**asdict(inspect_documents(documents, tokenizer)), "problems": []} for name, documents in splits.items()
    }


def _lines(name: str, part: dict[str, Any]) -> list[str]:
    """A report for people: a line a file, then what they are together, how they begin, and the problems."""
    lines = [_file_line(file) for file in part.get("files", ()) if file["problem"] is None]
    counts = [
        _counted(part["documents"], "documents"),
        _counted(part["tokens"], "tokens"),
        _counted(part["text_bytes"], "bytes of text"),
        _vocabulary(part["distinct_tokens"], part["vocabulary"]),
    ]
    lines.append(f"{name}: {', '.join(count for count in counts if count)}")
    if part["first_text"] is not None:
        lines.append(f"begins: {part['first_text']!r}")
    elif part.get("first_tokens"):
        lines.append(f"begins with tokens {' '.join(map(str, part['first_tokens'][:16]))} (--tokenizer shows text)")
    return [*lines, *(f"problem: {problem}" for problem in part["problems"])]


def _file_line(file: dict[str, Any]) -> str:
    documents = _counted(file["documents"], "documents")
    return f"{file['path']}: {file['bytes']:,} bytes, {file['tokens']:,} tokens{', ' if documents else ''}{documents}"


def _counted(count: int | None, what: str) -> str:
    return "" if count is None else f"{count:,} {what}"


def _vocabulary(used: int | None, size: int | None) -> str:
    if used is None:
        return ""
    return f"{used:,} different tokens" if size is None else f"{used:,} of {size:,} tokens of the vocabulary used"
