"""The spec.yaml of a run as it was recorded, whatever version of the language it is in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...compiler.source.diagnostic import has_errors
from ...compiler.source.nodes import Mapping, mapping_to_plain
from ...compiler.source.yaml_reader import parse_yaml
from .errors import RecordError
from .plain_json import number, section


@dataclass(frozen=True, slots=True)
class Limits:
    """Where training stops, on each clock that the spec names; `seconds` without what is kept for after it."""

    steps: float | None = None
    tokens: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedSpec:
    """The document, the spec's name and its stop.

    `wall_clock_schedule` tells whether the learning rate follows the seconds of the training clock.
    """

    plain: dict[str, Any]
    name: str
    stop: Limits
    wall_clock_schedule: bool


def read_recorded_spec(path: Path) -> RecordedSpec:
    """The spec at `path`; only its syntax is checked, so that runs of older versions can be read.

    Raises:
        RecordError: it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecordError(f"{path.name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path.name}: not UTF-8 at byte {error.start}") from error
    parsed = parse_yaml(text, path.name)
    if has_errors(parsed.diagnostics):
        first = next(item for item in parsed.diagnostics if has_errors([item]))
        raise RecordError(f"{path.name}: not YAML ({first.code}: {first.message})")
    if not isinstance(parsed.node, Mapping):
        raise RecordError(f"{path.name}: not a mapping")
    return _spec(mapping_to_plain(parsed.node), path.name)


def _spec(plain: dict[str, Any], where: str) -> RecordedSpec:
    train = section(plain, "train", where)
    stop, schedule = section(train, "stop", where), section(train, "schedule", where)
    steps, tokens, seconds = (number(stop, clock, where) for clock in ("steps", "tokens", "seconds"))
    reserve = number(stop, "reserve_seconds", where) or 0.0
    limits = Limits(steps, tokens, None if seconds is None else seconds - reserve)
    return RecordedSpec(plain, str(plain.get("name", "-")), limits, schedule.get("clock") == "seconds")
