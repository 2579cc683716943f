"""LS516: data that the tokenizer cannot be had for."""

from __future__ import annotations

from .findings import Findings


def check_data(findings: Findings) -> None:
    """A tokenizer can be trained on text only; shards hold tokens."""
    data = findings.plain["data"]
    if data["source"]["kind"] == "shards" and data["tokenizer"]["kind"] == "train":
        findings.error(
            "LS516",
            ("data", "tokenizer"),
            "a tokenizer is trained on text, and shards hold tokens",
            "give the tokenizer of the shards: {kind: file, path: ...}",
            key=True,
            related=findings.related(("data", "source"), "the shards"),
        )
