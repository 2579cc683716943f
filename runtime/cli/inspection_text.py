"""An inspected artifact, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...compiler.source.wording import visible
from ..artifact.container import FORMAT_VERSION
from ..artifact.inspection import Inspection, StoreWeight, storage_text
from ..artifact.savings import Saving
from ..artifact.storages import storage_to_plain
from ..records.columns import GAP, WIDTH, aligned, column_widths, shortened

SHORTEST_NAME = 16


def inspection_text(name: str, inspection: Inspection, advice: Sequence[Saving]) -> str:
    """Whole file, streams, stores from the heaviest down, and what would save most; at most 80 columns."""
    size, weights = inspection.container.file_bytes, inspection.weights
    version = visible(inspection.contents.loopspec_version)
    lines = [
        f"{visible(name)}: {size:,} bytes, format version {FORMAT_VERSION}, by loopspec {shortened(version, 20)}",
        f"{weights:,} weights in {len(inspection.contents.stores)} stores, {8 * size / weights:.2f} bits a weight"
        " with all else",
        "",
        *aligned(_stream_rows(inspection), left=2),
        "",
        *aligned(_store_rows(inspection)),
        *_advice(advice),
    ]
    return "\n".join(lines) + "\n"


def inspection_json(name: str, inspection: Inspection, advice: Sequence[Saving]) -> dict[str, Any]:
    """The same as plain data, stores in the artifact's order."""
    contents, container = inspection.contents, inspection.container
    return {
        "file": name,
        "format_version": FORMAT_VERSION,
        "loopspec": contents.loopspec_version,
        "bytes": container.file_bytes,
        "weights": inspection.weights,
        "header_bytes": container.header_bytes,
        "fixed_bytes": inspection.fixed_bytes,
        "streams": {
            stream: {"codec": codec, "bytes": len(container.payloads[stream])}
            for stream, codec in container.header.streams.items()
        },
        "provenance": contents.provenance,
        "stores": [_plain(each) for each in inspection.stores if each.name in contents.stores],
        "states": [_plain(each) for each in inspection.stores if each.name in contents.states],
        "savings": [{"bytes": each.bytes, "what": each.what, "change": each.change} for each in advice],
    }


def _plain(each: StoreWeight) -> dict[str, Any]:
    return {
        "name": each.name,
        "shape": list(each.shape),
        "storage": storage_to_plain(each.storage),
        "bytes": each.bytes,
        "bits": round(each.bits, 4),
        "entropy": round(each.entropy, 4),
        "largest_code": each.largest,
    }


def _stream_rows(inspection: Inspection) -> list[list[str]]:
    container = inspection.container
    rows = [("header", "zstd", container.header_bytes)]
    rows += [(stream, codec, len(container.payloads[stream])) for stream, codec in container.header.streams.items()]
    rows.append(("lengths, hashes", "", inspection.fixed_bytes))
    return [["", "codec", "bytes", "share"], *([*row[:2], *_size(row[2], container.file_bytes)] for row in rows)]


def _store_rows(inspection: Inspection) -> list[list[str]]:
    rows = [["store", "shape", "storage", "bytes", "share", "bits", "entropy"]]
    for each in sorted(inspection.stores, key=lambda each: -each.bytes):
        shape = "x".join(map(str, each.shape)) or "scalar"
        size = _size(each.bytes, inspection.container.file_bytes)
        rows.append(
            [visible(each.name), shape, storage_text(each.storage), *size, f"{each.bits:.2f}", f"{each.entropy:.2f}"]
        )
    room = WIDTH - sum(len(GAP) + width for width in column_widths(rows)[1:])
    return [[shortened(row[0], max(room, SHORTEST_NAME)), *row[1:]] for row in rows]


def _size(size: int, whole: int) -> tuple[str, str]:
    return f"{size:,}", f"{100 * size / whole:.1f}%"


def _advice(advice: Sequence[Saving]) -> list[str]:
    if not advice:
        return []
    width = max(len(f"{each.bytes:,}") for each in advice)
    lines = ["", "what would save most, each by itself, in about so many bytes:"]
    for each in advice:
        room = WIDTH - 2 * len(GAP) - width - len(each.change) - 2
        lines.append(f"{GAP}{each.bytes:>{width},}{GAP}{shortened(visible(each.what), room)}: {each.change}")
    return lines
