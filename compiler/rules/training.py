"""LS51x: numbers of the recipe that do not fit each other, and settings without effect."""

from __future__ import annotations

from ..source.diagnostic import Related
from .findings import Findings, YamlPath


def check_training(findings: Findings) -> None:
    """Batches, window and settings that the model gives nothing to act on."""
    train = findings.plain["train"]
    _check_batch(findings, ("train",), train)
    for index, phase in enumerate(train["batch_schedule"]):
        given = {key: phase[key] or train[key] for key in ("sequence_length", "batch_tokens", "accumulation")}
        _check_batch(findings, ("train", "batch_schedule", index), given)
    _check_window(findings)
    _check_without_effect(findings)


def _check_batch(findings: Findings, path: YamlPath, batch: dict[str, int]) -> None:
    unit = batch["sequence_length"] * batch["accumulation"]
    if batch["batch_tokens"] % unit:
        related: tuple[Related, ...] = ()
        for key in ("sequence_length", "accumulation"):
            if findings.given((*path, key)):
                related += findings.related((*path, key), key)
        findings.error(
            "LS510",
            (*path, "batch_tokens"),
            f"{batch['batch_tokens']} tokens are no multiple of sequence_length * accumulation = {unit}",
            f"use batch_tokens: {max(1, round(batch['batch_tokens'] / unit)) * unit}",
            related=related,
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
    train = findings.plain["train"]
    trained = [train["sequence_length"], *(phase["sequence_length"] or 0 for phase in train["batch_schedule"])]
    longest = max(*trained, findings.plain["evaluate"]["sequence_length"] or 0)
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
