"""LS511, LS512 and LS55x: schedule, stops and batches that do not fit each other, or have no effect."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..spec.batches import BatchShape, batch_spans, build_batch_phases, step_at_tokens, tokens_before
from .findings import Findings

_STOP, _SCHEDULE = ("train", "stop"), ("train", "schedule")
_WARMDOWNS = {"warmdown_steps": ("steps", "seconds"), "warmdown_tokens": ("tokens",), "warmdown_seconds": ("seconds",)}


def check_clocks(findings: Findings) -> None:
    """The clock of the schedule has a limit, its warm-down one length, in its unit, and every limit can come first."""
    stop, schedule = findings.plain["train"]["stop"], findings.plain["train"]["schedule"]
    clock = schedule["clock"]
    if clock not in stop:
        _tell_missing_limit(findings, clock, [key for key in ("steps", "tokens", "seconds") if key in stop])
        return
    _check_warmdown(findings, schedule, clock)
    _check_length(findings, stop, schedule, clock)
    _check_hold(findings, stop, schedule, clock)
    _check_stops(findings, stop)
    _check_batches(findings)


def _tell_missing_limit(findings: Findings, clock: str, limits: list[str]) -> None:
    if not limits:
        message = "nothing ends training: train.stop has no steps, tokens or seconds"
        findings.error("LS550", _STOP, message, "give one of them", key=True)
        return
    given = findings.given((*_SCHEDULE, "clock"))
    message = f"the schedule goes by {clock}, and train.stop gives no {clock}"
    mend = f"give train.stop.{clock}, or set train.schedule.clock: {limits[0]}"
    findings.error("LS550", (*_SCHEDULE, "clock") if given else _STOP, message, mend, key=not given)


def _check_warmdown(findings: Findings, schedule: dict[str, Any], clock: str) -> None:
    lengths = [key for key in _WARMDOWNS if schedule[key]]
    for key in lengths:
        if clock not in _WARMDOWNS[key]:
            unit = next(other for other, clocks in _WARMDOWNS.items() if clocks[0] == clock)
            message = f"the schedule goes by {clock}; this has no effect"
            findings.error("LS551", (*_SCHEDULE, key), message, f"use {unit}, or another clock", key=True)
        elif key == "warmdown_steps" and schedule["warmdown_seconds"] and clock == "seconds":
            message = "warmdown_seconds says how long the warm-down is; this has no effect"
            findings.error("LS551", (*_SCHEDULE, key), message, "remove one of the two", key=True)
    for key, about in (("floor", "a floor"), ("hold_steps", "hold_steps")):
        if schedule[key] > 0 and not lengths:
            message = f"{about} without a warm-down has no effect"
            mend = "give a warm-down, or remove it"
            findings.error("LS512", (*_SCHEDULE, key), message, mend, key=True)


def _check_length(findings: Findings, stop: dict[str, Any], schedule: dict[str, Any], clock: str) -> None:
    """By seconds only a warm-down in seconds is known to be too long."""
    limit = stop[clock] - (stop["reserve_seconds"] if clock == "seconds" else 0)
    up = schedule["warmup_steps"] if clock == "steps" else 0
    if clock == "tokens":
        up = tokens_before(_spans(findings), schedule["warmup_steps"])
    length = up + schedule[f"warmdown_{clock}"]
    if length > limit:
        ramps = "warm-up and warm-down take" if up else "the warm-down takes"
        findings.error(
            "LS511",
            _SCHEDULE,
            f"{ramps} {_number(length)} {clock}, and the run has {_number(limit)}",
            "shorten them, or train longer",
            key=True,
            related=findings.related((*_STOP, clock), "the length of the run"),
        )


def _check_hold(findings: Findings, stop: dict[str, Any], schedule: dict[str, Any], clock: str) -> None:
    """A warm-down that is held back to the end never begins; by seconds nobody knows before the run."""
    held = schedule["hold_steps"]
    done = {"steps": held, "tokens": tokens_before(_spans(findings), held)}.get(clock, 0)
    if held and schedule[f"warmdown_{clock}"] and done >= stop[clock]:
        message = f"the warm-down is held back for {held} steps, and training is over by then"
        findings.error(
            "LS512", (*_SCHEDULE, "hold_steps"), message, "hold it for fewer steps, or train longer", key=True
        )


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _check_stops(findings: Findings, stop: dict[str, Any]) -> None:
    reserve = stop["reserve_seconds"]
    if reserve and "seconds" not in stop:
        mend = "give train.stop.seconds, or remove it"
        findings.error("LS553", (*_STOP, "reserve_seconds"), "a reserve of no time: train.stop has no seconds", mend)
    elif reserve and reserve >= stop["seconds"]:
        message = f"nothing of the {stop['seconds']:g} seconds is left for training"
        findings.error("LS553", (*_STOP, "reserve_seconds"), message, "lower it")
    if "steps" in stop and "tokens" in stop:
        steps = step_at_tokens(_spans(findings), stop["tokens"])
        later, first = ("steps", "tokens") if steps < stop["steps"] else ("tokens", "steps")
        findings.warning(
            "LS552",
            (*_STOP, later),
            f"this never ends the run: train.stop.{first} comes first, at step {min(steps, stop['steps'])}",
            "remove one of the two",
            key=True,
        )


def _spans(findings: Findings) -> Any:  # noqa: ANN401 - spans, of the document as it is checked
    train = findings.plain["train"]
    last = BatchShape(train["sequence_length"], train["batch_tokens"], train["accumulation"])
    return batch_spans(build_batch_phases(train["batch_schedule"], last), last)


def _check_batches(findings: Findings) -> None:
    """Every phase of batches has a step, and differs from what follows."""
    stop, spans = findings.plain["train"]["stop"], _spans(findings)
    limits = [stop["steps"]] if "steps" in stop else []
    limits += [step_at_tokens(spans, stop["tokens"])] if "tokens" in stop else []
    total = min(limits, default=None)
    for index, (span, following) in enumerate(pairwise(spans)):
        path = ("train", "batch_schedule", index)
        if following.first_step <= span.first_step:
            message = f"these batches end at step {following.first_step}, where they begin or earlier"
            findings.error("LS554", (*path, "until"), message, "phases end at ascending steps")
        elif total is not None and following.first_step >= total:
            message = f"other batches follow at step {following.first_step}; training ends after {total} steps"
            findings.error("LS554", (*path, "until"), message, "end this phase earlier, or train longer")
        elif span.shape == following.shape:
            findings.error("LS554", path, "these batches are as the next ones", "change them, or remove the phase")
