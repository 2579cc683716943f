"""The artifact's header: what the canonical JSON says, built and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

from ...compiler.spec.quantization import Scheme
from ..quantize import EncodedStore
from .contents import ArtifactContents
from .errors import ArtifactError
from .schemes import scheme_from_plain, scheme_to_plain

MAX_NAME = 256
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**30
MAX_STORES = 2**16
MAX_ENCODINGS = 256
CODECS = ("zstd",)
KEYS = {"encodings", "loopspec", "provenance", "spec", "states", "stores", "tokenizer"}
STATE_SCHEME = Scheme("float32")
"""Every state is written as it is: small, and no weight."""


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """A row of the table of stores or of states. `codec` names the section that holds its parts."""

    name: str
    shape: tuple[int, ...]
    scheme: Scheme
    codec: str = "zstd"


@dataclass(frozen=True, slots=True)
class Header:
    """The header. `tokenizer_bytes` is None where no tokenizer is embedded."""

    spec: dict[str, Any]
    stores: tuple[StoreEntry, ...]
    tokenizer_bytes: int | None
    tokenizer_sha256: str
    provenance: dict[str, str]
    loopspec_version: str
    states: tuple[StoreEntry, ...] = ()

    @property
    def entries(self) -> tuple[StoreEntry, ...]:
        """Stores, then states: what the data section holds, in table order."""
        return self.stores + self.states


def header_of(contents: ArtifactContents) -> Header:
    """The header that describes `contents`."""
    return Header(
        spec=contents.spec,
        stores=_entries_of(contents.stores),
        states=_entries_of(contents.states),
        tokenizer_bytes=None if contents.tokenizer is None else len(contents.tokenizer),
        tokenizer_sha256=contents.tokenizer_sha256,
        provenance=contents.provenance,
        loopspec_version=contents.loopspec_version,
    )


def _entries_of(encoded: Mapping[str, EncodedStore]) -> tuple[StoreEntry, ...]:
    return tuple(StoreEntry(store.name, store.shape, store.scheme) for store in encoded.values())


def header_to_json(header: Header, place: str) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII. Raises ArtifactError, naming `place`, where `spec` is not."""
    encodings: list[dict[str, Any]] = []
    rows = []
    for entry in header.stores:
        encoding = {"codec": entry.codec, "scheme": scheme_to_plain(entry.scheme)}
        if encoding not in encodings:
            encodings.append(encoding)
        rows.append([entry.name, list(entry.shape), encodings.index(encoding)])
    plain = {
        "encodings": encodings,
        "loopspec": header.loopspec_version,
        "provenance": header.provenance,
        "spec": header.spec,
        "states": [[entry.name, list(entry.shape)] for entry in header.states],
        "stores": rows,
        "tokenizer": {"bytes": header.tokenizer_bytes, "sha256": header.tokenizer_sha256},
    }
    try:
        # the order of a spec's keys has a meaning: stores come in the order of the groups under `blocks`
        ordered = {key: value if key == "spec" else _sorted(value) for key, value in sorted(plain.items())}
        text = json.dumps(ordered, separators=(",", ":"), allow_nan=False)
        if json.loads(text) == plain:
            return text.encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{place}: spec and provenance must be plain, finite JSON ({error})") from error
    raise ArtifactError(f"{place}: spec and provenance must be plain JSON, with string keys and lists for sequences")


def _sorted(value: Any) -> Any:  # noqa: ANN401 - plain JSON
    """The value with the keys of every mapping in order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def header_from_json(text: bytes, place: str) -> Header:
    """Parses and checks a header. Raises ArtifactError, starting with `place`, for anything but canonical text."""
    plain = _parse(text, place)
    _require_keys(plain, KEYS, place)
    tokenizer = _mapping(plain["tokenizer"], f"{place}, tokenizer")
    _require_keys(tokenizer, {"bytes", "sha256"}, f"{place}, tokenizer")
    header = Header(
        spec=_mapping(plain["spec"], f"{place}, spec"),
        stores=_store_table(plain["stores"], _encodings(plain["encodings"], place), place),
        tokenizer_bytes=_tokenizer_bytes(tokenizer["bytes"], place),
        tokenizer_sha256=_string(tokenizer["sha256"], f"{place}, tokenizer.sha256"),
        provenance=_strings(plain["provenance"], place),
        loopspec_version=_string(plain["loopspec"], f"{place}, loopspec"),
        states=_state_table(plain["states"], place),
    )
    if header_to_json(header, place) != text:
        _refuse(place, "is not in canonical form")
    check_header(header, place)
    return header


def check_header(header: Header, place: str) -> None:
    """The rules that writer and reader share. Raises ArtifactError where one is broken."""
    if not 1 <= len(header.stores) <= MAX_STORES or len(header.states) > MAX_STORES:
        counts = f"{len(header.stores)} stores and {len(header.states)} states"
        _refuse(place, f"names {counts}; 1 to {MAX_STORES} stores and at most as many states are allowed")
    names = [entry.name for entry in header.entries]
    for name, entry in zip(names, header.entries, strict=True):
        if not 0 < len(name) <= MAX_NAME:
            _refuse(place, f"has a store name of {len(name)} characters; 1 to {MAX_NAME} are allowed")
        _check_shape(entry, place)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(place, f"names store {twice} twice")
    for entry in header.states:
        if entry.scheme != STATE_SCHEME:
            _refuse(place, f"stores state {entry.name} as {entry.scheme}; states are float32")
    if not all(isinstance(value, str) for value in (*header.provenance, *header.provenance.values())):
        _refuse(place, "has provenance that is not strings by name")
    sha256 = header.tokenizer_sha256
    if sha256 and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        _refuse(place, f"has tokenizer sha256 {sha256[:70]!r}; 64 lower-case hex digits or nothing are allowed")


def _check_shape(entry: StoreEntry, place: str) -> None:
    sizes = entry.shape
    sound = len(sizes) <= MAX_DIMENSIONS and all(type(size) is int and 1 <= size <= MAX_ELEMENTS for size in sizes)
    if not sound or prod(sizes) > MAX_ELEMENTS:
        _refuse(place, f"gives store {entry.name} the shape {list(sizes)}; sizes are 1 or more, their product <= 2^30")
    if entry.codec not in CODECS:
        _refuse(place, f"stores {entry.name} by codec {entry.codec!r}; this version knows {', '.join(CODECS)}")


def _parse(text: bytes, place: str) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text.decode("ascii")), place)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ArtifactError):
            raise
        _refuse(place, f"is not JSON ({error})", error)


def _encodings(value: object, place: str) -> list[tuple[str, Scheme]]:
    encodings = []
    for index, item in enumerate(_list(value, f"{place}, encodings", MAX_ENCODINGS)):
        where = f"{place}, encodings[{index}]"
        plain = _mapping(item, where)
        _require_keys(plain, {"codec", "scheme"}, where)
        encodings.append((_string(plain["codec"], f"{where}.codec"), scheme_from_plain(plain["scheme"], where)))
    return encodings


def _store_table(value: object, encodings: list[tuple[str, Scheme]], place: str) -> tuple[StoreEntry, ...]:
    entries = []
    for index, item in enumerate(_list(value, f"{place}, stores", MAX_STORES)):
        row = _list(item, f"{place}, stores[{index}]")
        if len(row) != 3 or type(row[2]) is not int or not 0 <= row[2] < len(encodings):
            _refuse(place, f"has a store row {index} that is not [name, shape, index of an encoding]")
        codec, scheme = encodings[row[2]]
        name, shape = (
            _string(row[0], f"{place}, stores[{index}]"),
            _list(row[1], f"{place}, stores[{index}]", MAX_DIMENSIONS),
        )
        entries.append(StoreEntry(name, tuple(shape), scheme, codec))
    return tuple(entries)


def _state_table(value: object, place: str) -> tuple[StoreEntry, ...]:
    entries = []
    for index, item in enumerate(_list(value, f"{place}, states", MAX_STORES)):
        where = f"{place}, states[{index}]"
        row = _list(item, where)
        if len(row) != 2:
            _refuse(place, f"has a state row {index} that is not [name, shape]")
        shape = tuple(_list(row[1], where, MAX_DIMENSIONS))
        entries.append(StoreEntry(_string(row[0], where), shape, STATE_SCHEME))
    return tuple(entries)


def _tokenizer_bytes(value: object, place: str) -> int | None:
    if value is None:
        return None
    return (
        value if type(value) is int and 0 <= value <= MAX_ELEMENTS else _refuse(place, "has tokenizer.bytes not a size")
    )


def _strings(value: object, place: str) -> dict[str, str]:
    plain = _mapping(value, f"{place}, provenance")
    return {key: _string(item, f"{place}, provenance.{key}") for key, item in plain.items()}


def _mapping(value: object, place: str) -> dict[str, Any]:
    return value if isinstance(value, dict) else _refuse(place, "is not an object")


def _list(value: object, place: str, longest: int = 3) -> list[Any]:
    if not isinstance(value, list) or len(value) > longest:
        _refuse(place, f"is not a list of at most {longest}")
    return value


def _string(value: object, place: str) -> str:
    return value if isinstance(value, str) else _refuse(place, "is not a string")


def _require_keys(plain: Mapping[str, Any], keys: set[str], place: str) -> None:
    if set(plain) != keys:
        wrong = sorted(set(plain) - keys) or sorted(keys - set(plain))
        _refuse(place, f"has {'unknown' if set(plain) - keys else 'no'} {', '.join(wrong)[:200]}")


def _refuse(place: str, problem: str, cause: Exception | None = None) -> NoReturn:
    raise ArtifactError(f"{place}: {problem}; pack the model again, with a loopspec of this version") from cause
