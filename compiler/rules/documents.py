"""LS132 and LS542: the token that opens documents, and layers that look across it."""

from __future__ import annotations

from .findings import Findings

_PATH = ("model", "documents")


def check_documents(findings: Findings) -> None:
    """The boundary is a token of the vocabulary, and layers that look across it are there."""
    model = findings.plain["model"]
    documents = model["documents"]
    if documents is None:
        return
    token, size = documents["boundary_token"], model["vocab_size"]
    if token >= size:
        findings.error(
            "LS132",
            (*_PATH, "boundary_token"),
            f"documents begin at token {token}, and the vocabulary ends at {size - 1}",
            "use the tokenizer's beginning-of-sequence token, as a rule 1",
            related=findings.related(("model", "vocab_size"), "the vocabulary"),
        )
    kinds = {layer["kind"] for layer in model["input"]}
    for index, kind in enumerate(documents["across"]):
        if kind not in kinds:
            message = f"the model has no {kind} that could look across documents"
            findings.error("LS542", (*_PATH, "across", index), message, "leave it out")
