"""LS516, LS560, LS561: data and tokenizers that do not fit each other or the model."""

from __future__ import annotations

from .findings import Findings

BYTE_VALUES = 256


def check_data(findings: Findings) -> None:
    """What the `data` section says twice, or what its tokenizer cannot do."""
    _check_trained_tokenizer(findings)
    _check_validation(findings)
    _check_bytes(findings)


def _check_trained_tokenizer(findings: Findings) -> None:
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


def _check_validation(findings: Findings) -> None:
    """The validation text is a share, a size or a path; a share of the default value may stay beside the others."""
    source = findings.plain["data"]["source"]
    if source["kind"] != "text":
        return
    given = [key for key in ("validation_path", "validation_bytes") if source[key] is not None]
    if given and not findings.is_default(("data", "source", "validation_share")):
        given.append("validation_share")
    if len(given) > 1:
        findings.error(
            "LS560",
            ("data", "source", given[-1]),
            f"{given[0]} says already what to validate on",
            f"remove {given[-1]}, or {given[0]}",
            key=True,
            related=findings.related(("data", "source", given[0]), given[0]),
        )


def _check_bytes(findings: Findings) -> None:
    """Every value of a byte needs its row."""
    vocab_size = findings.plain["model"]["vocab_size"]
    if findings.plain["data"]["tokenizer"]["kind"] == "bytes" and vocab_size < BYTE_VALUES:
        findings.error(
            "LS561",
            ("model", "vocab_size"),
            f"bytes have {BYTE_VALUES} values, the model has {vocab_size} rows",
            "use vocab_size: 257: the values, and a token that opens a document",
            related=findings.related(("data", "tokenizer"), "tokens are bytes"),
        )
