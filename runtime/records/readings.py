"""The metrics log of a run as readings, each with its position on every clock that was recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..train.errors import MetricsError
from ..train.metrics import read_records
from .errors import RecordError
from .plain_json import number

Clock = Literal["steps", "tokens", "flops", "seconds"]
CLOCKS: tuple[Clock, ...] = ("steps", "tokens", "flops", "seconds")
MAIN = "main"
"""The stage of training proper; records without a stage are of it."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stood: optimizer steps, tokens and FLOPs so far, seconds of the training clock; None: unrecorded."""

    steps: int
    tokens: float | None = None
    flops: float | None = None
    seconds: float | None = None

    def at(self, clock: Clock) -> float | None:
        """The position on one clock."""
        value: float | None = getattr(self, clock)
        return value


@dataclass(frozen=True, slots=True)
class TrainReading:
    """One step of training: its loss in nats a token, and the learning rate's multiplier."""

    position: Position
    loss: float
    lr_scale: float | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class ValidationReading:
    """One validation: nats a token and bits per byte."""

    position: Position
    loss: float | None
    bits_per_byte: float | None


@dataclass(frozen=True, slots=True)
class Readings:
    """All readings in the order of their steps.

    Attributes:
        train: of the stage `main`.
        validation: a position lacking in a record is the one of the training step that it followed.
        further: training records of other stages, such as replay, whose losses are not comparable: stage -> count.
        last_step: of any stage; 0 where nothing was recorded.
    """

    train: tuple[TrainReading, ...] = ()
    validation: tuple[ValidationReading, ...] = ()
    further: Mapping[str, int] = field(default_factory=dict)
    last_step: int = 0


def read_readings(path: Path) -> Readings:
    """The readings in a metrics log.

    Raises:
        RecordError: a line is no record of a run, or the steps are out of order.
    """
    try:
        records = read_records(path)
    except OSError as error:
        raise RecordError(f"{path.name}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path.name}: not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise RecordError(f"{path.name}: nested too deeply for a record") from error
    except ValueError as error:  # a number of thousands of digits
        raise RecordError(f"{path.name}: not JSON ({error})") from error
    except MetricsError as error:
        raise RecordError(str(error).replace(str(path), path.name)) from error
    return _readings(records, path.name)


def _readings(records: list[dict[str, Any]], name: str) -> Readings:
    train: list[TrainReading] = []
    validation: list[ValidationReading] = []
    further: Counter[str] = Counter()
    trained: dict[int, Position] = {}
    last = {"train": Position(0), "validation": Position(0)}
    for line, record in enumerate(records, start=1):
        where, kind = f"{name}:{line}", record.get("kind")
        if kind not in ("train", "validation"):
            continue  # events and later kinds of records; nothing here reads them
        position = _position(record, where, trained.get(record["step"], Position(record["step"])))
        _require_forward(last[kind], position, where)
        last[kind] = position
        if kind == "validation":
            validation.append(_validation(record, where, position))
            continue
        trained[position.steps] = position
        stage = record.get("stage", MAIN)
        if stage == MAIN:
            train.append(_train(record, where, position))
        else:
            further[str(stage)] += 1
    last_step = max(position.steps for position in last.values())
    return Readings(tuple(train), tuple(validation), dict(further), last_step)


def _require_forward(before: Position, now: Position, where: str) -> None:
    """Steps go up, and no clock goes back: positions are looked up by bisection."""
    if now.steps <= before.steps:
        raise RecordError(f"{where}: step {now.steps} comes after step {before.steps}")
    for clock in CLOCKS:
        earlier, later = before.at(clock), now.at(clock)
        if earlier is not None and later is not None and later < earlier:
            raise RecordError(f"{where}: {clock} {later:g} come after {earlier:g}")


def _position(record: dict[str, Any], where: str, known: Position) -> Position:
    """What the record says, else what is known of its step."""
    own = {clock: number(record, clock, where) for clock in ("tokens", "flops", "seconds")}
    merged = {clock: getattr(known, clock) if value is None else value for clock, value in own.items()}
    return Position(record["step"], **merged)


def _train(record: dict[str, Any], where: str, position: Position) -> TrainReading:
    loss = number(record, "loss", where)
    if loss is None:
        raise RecordError(f"{where}: a train record without a loss")
    mode = record.get("mode")
    return TrainReading(position, loss, number(record, "lr_scale", where), None if mode is None else str(mode))


def _validation(record: dict[str, Any], where: str, position: Position) -> ValidationReading:
    loss, bits_per_byte = (number(record, key, where) for key in ("validation_loss", "validation_bpb"))
    return ValidationReading(position, loss, bits_per_byte)
