"""Checked access to JSON that another version, or another tool, may have written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from .errors import RecordError

_GREATEST = sys.float_info.max


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RecordError: it cannot be read, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path.name}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path.name}: not a JSON object")
    return value


def number(record: dict[str, Any], key: str, where: str) -> float | None:
    """The finite number under `key`; None where the key is absent or null. `where` is for the message.

    Raises:
        RecordError: there is something else.
    """
    value = record.get(key)
    if value is None:
        return None
    # by comparison: an integer of JSON may be too long for a float, and no comparison holds for NaN
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_GREATEST <= value <= _GREATEST:
        raise RecordError(f"{where}: {key} is {value!r}, not a number")
    return value


def section(record: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    """The object under `key`; an empty one where the key is absent or null.

    Raises:
        RecordError: there is something else.
    """
    value = record.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecordError(f"{where}: {key} is {value!r}, not an object")
    return value
