"""LS130: heads that predict further ahead than sequences are long."""

from __future__ import annotations

from .findings import Findings


def check_multi_token(findings: Findings) -> None:
    """Every head has targets in a training sequence, and its loss counts."""
    multi = findings.plain["model"]["multi_token"]
    if multi is None:
        return
    train = findings.plain["train"]
    lengths = {("train", "sequence_length"): train["sequence_length"]} | {
        ("train", "batch_schedule", index, "sequence_length"): phase["sequence_length"] or train["sequence_length"]
        for index, phase in enumerate(train["batch_schedule"])
    }
    path, (shortest, length) = ("model", "multi_token"), min(lengths.items(), key=lambda item: item[1])
    if multi["heads"] >= length:
        findings.error(
            "LS130",
            (*path, "heads"),
            f"head {multi['heads'] - 1} predicts {multi['heads'] + 1} tokens on, in sequences of {length}",
            f"use at most {length - 1} heads, or longer sequences",
            related=findings.related(shortest, "the sequences"),
        )
    if multi["weight"] == 0:
        message = "the losses of these heads count nothing: weight is 0"
        findings.error("LS540", (*path, "weight"), message, "give a weight, or remove multi_token")
