"""From a path to one merged tree: reads, follows `extends`, applies `--set`, drops `x-*`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .diagnostic import Diagnostic
from .extends import Chain, read_chain
from .merge import TakesNull
from .nodes import Mapping
from .overrides import KnownPath, apply_overrides, nothing_known

FREE_ZONE = "x-"


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A spec as one tree.

    `texts` maps every file named in a span to its text. `complete` is False when a file could not be read or parsed to
    its end; checking such a tree against the schema would only report what is missing for that reason.
    """

    root: Mapping
    texts: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    path: str
    sets: tuple[str, ...] = ()
    complete: bool = True


def load_source(
    path: Path | str,
    sets: Sequence[str] = (),
    known_path: KnownPath = nothing_known,
    takes_null: TakesNull = nothing_known,
) -> SourceDocument:
    """Read the spec at `path` ("-" for standard input) with its `extends` chain and `--set` changes.

    User errors never raise: each is a diagnostic LS001 to LS019. `known_path` tells which absent keys have a default in
    the schema, and may therefore be set; `takes_null` at which keys a child's null is a value instead of a deletion.
    Top-level keys `x-*` are free: they are dropped here.
    """
    chain = Chain()
    merged = read_chain(path, chain, takes_null)
    kept = {key: entry for key, entry in merged.entries.items() if not key.startswith(FREE_ZONE)}
    merged = replace(merged, entries=kept)
    if not chain.complete:  # a key that --set names may stand in what could not be read
        return SourceDocument(merged, chain.texts, tuple(chain.problems), str(path), tuple(sets), complete=False)
    result = apply_overrides(merged, sets, known_path)
    texts = {**chain.texts, **result.texts}
    return SourceDocument(result.root, texts, (*chain.problems, *result.diagnostics), str(path), tuple(sets))
