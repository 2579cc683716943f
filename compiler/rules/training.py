"""LS51x: numbers of the recipe that do not fit each other, and settings without effect."""

from __future__ import annotations

from ..source.diagnostic import Related
from .findings import Findings, YamlPath


def check_training(findings: Findings) -> None:
    """Batch, schedule, window and settings that the model gives nothing to act on."""
    _check_batch(findings)
    _check_schedule(findings)
    _check_window(findings)
    _check_without_effect(findings)


def _check_batch(findings: Findings) -> None:
    train = findings.plain["train"]
    unit = train["sequence_length"] * train["accumulation"]
    if train["batch_tokens"] % unit:
        related: tuple[Related, ...] = ()
        for key in ("sequence_length", "accumulation"):
            if findings.given(("train", key)):
                related += findings.related(("train", key), key)
        findings.error(
            "LS510",
            ("train", "batch_tokens"),
            f"{train['batch_tokens']} tokens are no multiple of sequence_length * accumulation = {unit}",
            f"use batch_tokens: {max(1, round(train['batch_tokens'] / unit)) * unit}",
            related=related,
        )


def _check_schedule(findings: Findings) -> None:
    train = findings.plain["train"]
    schedule, steps = train["schedule"], train["stop"]["steps"]
    length = schedule["warmup_steps"] + schedule["warmdown_steps"]
    if length > steps:
        findings.error(
            "LS511",
            ("train", "schedule"),
            f"warm-up and warm-down take {length} steps, and the run has {steps}",
            "shorten them, or train longer",
            key=True,
            related=findings.related(("train", "stop", "steps"), "the length of the run"),
        )
    if schedule["floor"] > 0 and schedule["warmdown_steps"] == 0:
        findings.error(
            "LS512",
            ("train", "schedule", "floor"),
            "a floor without a warm-down has no effect",
            "give warmdown_steps, or remove the floor",
            key=True,
        )


def _check_window(findings: Findings) -> None:
    evaluate, train = findings.plain["evaluate"], findings.plain["train"]
    length = evaluate["sequence_length"] or train["sequence_length"]
    if evaluate["stride"] > length:
        findings.error(
            "LS513",
            ("evaluate", "stride"),
            f"a stride of {evaluate['stride']} leaves targets between windows of {length} unscored",
            f"use at most {length}",
        )


def _check_without_effect(findings: Findings) -> None:
    if findings.plain["model"]["embedding"]["tied"]:
        paths: list[YamlPath] = [("model", "embedding", "head_init")]
        if not any(rule["to"] == "head" for rule in findings.plain["train"]["assign"]):
            paths.append(("train", "optimizer", "head"))
        for path in paths:
            # a resolved spec has every default written out, which asks for nothing
            if findings.given(path) and not findings.is_default(path):
                findings.error(
                    "LS514",
                    path,
                    "the head is tied to the token embedding; this has no effect",
                    "remove it, or set model.embedding.tied: false",
                    key=True,
                )
    longest = max(findings.plain["train"]["sequence_length"], findings.plain["evaluate"]["sequence_length"] or 0)
    for name, group in findings.blocks().items():
        rope = group["attention"]["rope"]
        reference = None if rope is None else rope.get("ntk_reference")
        if reference is not None and reference >= longest:
            findings.warning(
                "LS515",
                ("blocks", name, "attention", "rope", "ntk_reference"),
                f"no sequence is longer than {reference} tokens (the longest has {longest}); the NTK rule never acts",
                "set it to null, or use longer sequences",
            )
