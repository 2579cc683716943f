"""The header as canonical JSON, and back from bytes of which nothing is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..quantize.storage import Storage
from .errors import ArtifactError
from .header import (
    MAX_DIMENSIONS,
    MAX_ELEMENTS,
    MAX_STORAGES,
    MAX_STORES,
    STATE_STORAGE,
    Header,
    StoreEntry,
    check_header,
    refuse,
)
from .storages import storage_from_plain, storage_to_plain

KEYS = {"loopspec", "provenance", "spec", "states", "storages", "stores", "streams", "tokenizer"}


def header_to_json(header: Header, place: str) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII. Raises ArtifactError, naming `place`, where `spec` is not."""
    plain = _plain(header)
    try:
        # the order of a spec's keys has a meaning: stores come in the order of the groups under `blocks`
        ordered = {key: value if key == "spec" else _sorted(value) for key, value in sorted(plain.items())}
        text = json.dumps(ordered, separators=(",", ":"), allow_nan=False)
        if json.loads(text) == plain:
            return text.encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{place}: spec and provenance must be plain, finite JSON; pack the run again") from error
    raise ArtifactError(
        f"{place}: spec and provenance must be plain JSON, with string keys and lists for sequences; pack the run again"
    )


def header_from_json(text: bytes, place: str) -> Header:
    """Parses and checks a header. Raises ArtifactError, starting with `place`, for anything but canonical text."""
    plain = _parse(text, place)
    _require_keys(plain, KEYS, place)
    tokenizer_bytes, tokenizer_sha256 = _tokenizer(plain["tokenizer"], f"{place}, tokenizer")
    header = Header(
        spec=_mapping(plain["spec"], f"{place}, spec"),
        stores=_store_table(plain["stores"], _storages(plain["storages"], place), place),
        states=_state_table(plain["states"], place),
        streams=_strings(plain["streams"], f"{place}, streams"),
        tokenizer_bytes=tokenizer_bytes,
        tokenizer_sha256=tokenizer_sha256,
        provenance=_strings(plain["provenance"], f"{place}, provenance"),
        loopspec_version=_string(plain["loopspec"], f"{place}, loopspec"),
    )
    check_header(header, place)
    if header_to_json(header, place) != text:
        refuse(place, "is not in canonical form")
    return header


def _plain(header: Header) -> dict[str, Any]:
    storages = list(dict.fromkeys(entry.storage for entry in header.stores))
    index = {storage: number for number, storage in enumerate(storages)}
    if header.tokenizer_bytes is not None:
        tokenizer: dict[str, Any] | None = {"bytes": header.tokenizer_bytes}
    else:
        tokenizer = {"sha256": header.tokenizer_sha256} if header.tokenizer_sha256 else None
    return {
        "loopspec": header.loopspec_version,
        "provenance": header.provenance,
        "spec": header.spec,
        "states": [[entry.name, *entry.shape] for entry in header.states],
        "storages": [storage_to_plain(storage) for storage in storages],
        "stores": [[entry.name, index[entry.storage], *entry.shape] for entry in header.stores],
        "streams": header.streams,
        "tokenizer": tokenizer,
    }


def _sorted(value: Any) -> Any:  # noqa: ANN401 - plain JSON
    """The value with the keys of every mapping in order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _parse(text: bytes, place: str) -> dict[str, Any]:
    try:
        plain = json.loads(text.decode("ascii"))
    except (ValueError, RecursionError) as error:
        refuse(place, "is not JSON, or nested too deeply", error)
    return _mapping(plain, place)


def _storages(value: object, place: str) -> list[Storage]:
    items = _list(value, f"{place}, storages", MAX_STORAGES)
    return [storage_from_plain(item, f"{place}, storages[{index}]") for index, item in enumerate(items)]


def _store_table(value: object, storages: Sequence[Storage], place: str) -> tuple[StoreEntry, ...]:
    entries = []
    for number, item in enumerate(_list(value, f"{place}, stores", MAX_STORES)):
        name, *rest = _row(item, 2, f"{place}, stores[{number}]")
        index, shape = rest[0], rest[1:]
        if type(index) is not int or not 0 <= index < len(storages):
            refuse(f"{place}, stores[{number}]", f"names storage {index!a:.200} of {len(storages)}")
        entries.append(StoreEntry(name, tuple(shape), storages[index]))
    return tuple(entries)


def _state_table(value: object, place: str) -> tuple[StoreEntry, ...]:
    entries = []
    for number, item in enumerate(_list(value, f"{place}, states", MAX_STORES)):
        name, *shape = _row(item, 1, f"{place}, states[{number}]")
        entries.append(StoreEntry(name, tuple(shape), STATE_STORAGE))
    return tuple(entries)


def _row(value: object, fixed: int, place: str) -> list[Any]:
    """A row of `fixed` cells, the first a name, and then a shape."""
    row = _list(value, place, fixed + MAX_DIMENSIONS)
    if len(row) < fixed:
        refuse(place, f"is not a list of at least {fixed}")
    _string(row[0], place)
    return row


def _tokenizer(value: object, place: str) -> tuple[int | None, str]:
    """(Bytes embedded, or None; SHA-256 of one that is not embedded, or "")."""
    if value is None:
        return None, ""
    plain = _mapping(value, place)
    if set(plain) == {"bytes"}:
        size = plain["bytes"]
        return (size, "") if type(size) is int and 0 <= size <= MAX_ELEMENTS else refuse(place, "has bytes not a size")
    if set(plain) != {"sha256"}:
        refuse(place, "has not exactly one of bytes and sha256")
    return None, _string(plain["sha256"], f"{place}, sha256")


def _strings(value: object, place: str) -> dict[str, str]:
    return {key: _string(item, place) for key, item in _mapping(value, place).items()}


def _mapping(value: object, place: str) -> dict[str, Any]:
    return value if isinstance(value, dict) else refuse(place, "is not an object")


def _list(value: object, place: str, longest: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > longest:
        refuse(place, f"is not a list of at most {longest}")
    return value


def _string(value: object, place: str) -> str:
    return value if isinstance(value, str) else refuse(place, f"holds {value!a:.200}, which is not a string")


def _require_keys(plain: Mapping[str, Any], keys: set[str], place: str) -> None:
    if set(plain) != keys:
        wrong = sorted(set(plain) - keys) or sorted(keys - set(plain))
        refuse(place, f"has {'unknown' if set(plain) - keys else 'no'} {', '.join(wrong)[:200]}")
