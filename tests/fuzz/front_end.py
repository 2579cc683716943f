"""The front end under hostile specs: text to tree, schema, rules, plan, and every printed form of what was found.

An input is the text of a spec; lines `#set KEY=VALUE` are changes as `--set` makes them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import yaml

from loopspec.compiler.check import check_spec, plan_resolved
from loopspec.compiler.plan_json import plan_json
from loopspec.compiler.source.report import as_dict, ordered, render
from loopspec.compiler.summary import plan_text

from .engine import ACCEPTED, Target, saved
from .trees import edited, places
from .vocabulary import Vocabulary

TESTS = Path(__file__).resolve().parent.parent
SPECS = TESTS.parent / "specs"
SET = b"#set "
SHOWN_ONE_IN = 4
LARGEST_TREE = 3000
BYTES = 0.8  # of them are edits of bytes: refused in a millisecond, where a plan takes a hundred
FRESH = 0.3  # of the mutants come from a sound spec, since what is refused early reaches little
TOKENS = [
    b": ",
    b"- ",
    b"\n",
    b"\n  ",
    b"{",
    b"}",
    b"[",
    b"]",
    b", ",
    b"&a ",
    b"*a",
    b"|\n ",
    b">-\n ",
    b"'",
    b'"',
    b"#",
    b"\t",
]
TOKENS += [
    b"? ",
    b"!!int ",
    b"<<: ",
    b"%YAML 1.2\n",
    b"---\n",
    b"...\n",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"\xff",
    b"\0",
    b"~",
    b"\r",
]
TOKENS += [
    b"null",
    b"true",
    b".inf",
    b".nan",
    b"0x10",
    b"1_000",
    b"1e999",
    b"-0",
    b"1" * 40,
    b"extends: ",
    b"kind: ",
    b"#set ",
]
PARENTS = [
    "quickstart",
    "input.yaml",
    "tied-15l.yaml",
    "bases/challenge.yaml",
    ".",
    "/",
    "/dev/zero",
    "../x",
    "a" * 300,
    "\0",
    "~",
]


def run(data: bytes) -> str:
    """Checks one spec and prints everything that can be printed of it. Returns the codes of its diagnostics."""
    path = _folder() / "input.yaml"
    path.write_bytes(data)
    sets = [line[len(SET) :].decode("utf-8", "replace") for line in data.splitlines() if line.startswith(SET)][:8]
    checked = check_spec(path, sets)
    shown = crc32(data) % SHOWN_ONE_IN == 0
    text = render("text", checked.diagnostics, checked.document.texts) + render("github", checked.diagnostics, {})
    text.encode()
    json.dumps([as_dict(item) for item in ordered(checked.diagnostics)])
    if not checked.ok:
        assert text, "refused without a word"
    elif shown:
        assert checked.plain is not None and checked.plan is not None
        again = plan_resolved(checked.plain, "resolved")
        assert json.dumps(plan_json(again)) == json.dumps(plan_json(checked.plan)), "resolved, it means something else"
    if checked.plan is not None and shown:
        plan_text(checked.plan).encode()
    stage = ACCEPTED if checked.ok else "planned" if checked.plan is not None else "refused"
    return " ".join([stage, *sorted({item.code for item in checked.diagnostics})])


def mutate(data: bytes, rng: Random) -> bytes:
    """An edit of the tree where the input has one, else of its bytes."""
    if rng.random() < FRESH:
        data = rng.choice(_sound())
    kind = rng.random()
    if kind < BYTES:
        return _spliced(data, rng)
    tree = _tree(data)
    if tree is None:
        return _spliced(data, rng)
    if kind < BYTES + 0.03:
        tree = _fancy(tree, rng)
    changed = edited(tree, rng, _vocabulary().replacement)
    if kind > 0.98:
        return _with_set(json.dumps(tree).encode(), tree, rng)
    return _text(changed, rng)


def seeds() -> list[bytes]:
    """Two shipped specs, those that show a diagnostic each, small sound ones, and what was kept."""
    files = [SPECS / "quickstart.yaml", SPECS / "micro-crawler.yaml", *(TESTS / "err").glob("*.yaml")]
    texts = [path.read_bytes() for path in sorted(files)]
    return [*(text for text in texts if len(text) < TARGET.longest), *_sound(), *saved(TARGET.name)]


@cache
def _sound() -> list[bytes]:
    return saved("sound")


def _text(tree: Any, rng: Random) -> bytes:
    """JSON is YAML, and quick; now and then the block style, whose spans differ."""
    if rng.random() < 0.15:
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=60).encode("utf-8", "replace")
    return json.dumps(tree).encode()


def _tree(data: bytes) -> Any:
    try:
        if data.startswith(b"{"):
            return json.loads(data)
        found = yaml.load(data.decode("utf-8"), Loader=yaml.CSafeLoader)
        small = sum(1 for _ in islice(places(found), LARGEST_TREE)) < LARGEST_TREE  # aliases may make it endless
        return found if small and isinstance(found, dict) and json.dumps(found) else None
    except (ValueError, TypeError, RecursionError, yaml.YAMLError, AttributeError):
        return None


def _spliced(data: bytes, rng: Random) -> bytes:
    """Bytes cut, repeated, replaced, or tokens put in."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice([0, 1, 1, 4, 30]))
        piece = data[start:end]
        middle = [
            rng.choice(TOKENS),
            b"",
            piece * rng.choice([2, 3, 50]),
            rng.randbytes(1),
            rng.choice(data.split() or [b""]),
            rng.choice([b"[", b"{a: ", b"- "]) * rng.choice([20, 32, 33, 400]),
        ]
        data = data[:start] + rng.choice(middle) + data[end:]
    return data


def _fancy(tree: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Parents, expected diagnostics and free keys."""
    extra = {
        "extends": rng.choice(PARENTS),
        "expect": [rng.choice(["LS302", "LS401", "LS501", "LS550", "LS301", "LS999", "x"])] * rng.choice([1, 1, 2]),
        "x-free": rng.choice([[], {"a": [1] * 50}]),
    }
    key = rng.choice(list(extra))
    return {**tree, key: extra[key]}


def _with_set(text: bytes, tree: Any, rng: Random) -> bytes:
    """A change by `--set` at some place of the tree."""
    path = ".".join(str(key) for key in rng.choice([*places(tree), ("name",)]))
    value = rng.choice(["1", "null", "[1, 2]", "{a: 1}", "", "x", "-1", "0.5", "true", "1e999", "'", "[", "*a", "&a 1"])
    change = rng.choice([f"{path}={value}", f"{path}", f"{path}.x={value}", f"={value}", f"{path}.0={value}"])
    return text + b"\n" + SET + change.encode("utf-8", "replace").replace(b"\n", b" ")


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary()


@cache
def _folder() -> Path:
    """A folder in memory, gone with the process, with the shipped specs beside the input."""
    folder = Path(_temporary().name) / "specs"
    shutil.copytree(SPECS, folder)
    shutil.copytree(TESTS / "err" / "parents", folder / "parents")
    return folder


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="loopspec-fuzz-", dir=place)


TARGET = Target("front_end", run, mutate, seeds, ".yaml", seconds=5.0, memory=1500 * 2**20)
