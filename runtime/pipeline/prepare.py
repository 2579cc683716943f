"""From the `data` section to tokens: corpus or shards, and the tokenizer, trained or read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...compiler.plan import Plan
from ..data.corpus import standard_library_corpus
from ..data.errors import TokenizerError
from ..data.token_source import TokenData, from_corpus, from_shards
from ..data.tokenizer import Tokenizer
from ..data.tokenizer_cache import cached_tokenizer

Note = Callable[[str], None]


def prepare_data(plan: Plan, note: Note, tokenizer: Tokenizer | None = None) -> TokenData:
    """The plan's data; `tokenizer` stands in for the one that the spec names (an artifact carries its own).

    Raises:
        DataError: text, shards or tokenizer that cannot be used; the message names the file and the mend.
    """
    data, vocab_size = plan.spec.data, plan.spec.architecture.model.vocab_size
    if data.source.kind == "shards":
        assert data.source.train is not None and data.source.validation is not None
        if tokenizer is None and data.tokenizer.kind == "train":
            raise TokenizerError(
                "data.tokenizer: kind train needs text, and shards hold tokens; "
                "give the tokenizer of the shards as {kind: file, path: ...}"
            )
        tokens = from_shards(data.source.train, data.source.validation, tokenizer or read_tokenizer(plan), vocab_size)
    else:
        assert data.source.validation_bytes is not None
        corpus = standard_library_corpus(data.source.validation_bytes)
        if tokenizer is None and data.tokenizer.kind == "train":
            tokenizer, events = cached_tokenizer([document.text for document in corpus.train], vocab_size)
            for event in events:
                note(event.message)
        tokens = from_corpus(corpus, tokenizer or read_tokenizer(plan), vocab_size)
    for event in tokens.events:
        note(event.message)
    note(tokens.description)
    return tokens


def read_tokenizer(plan: Plan) -> Tokenizer:
    """The tokenizer file that the spec names.

    Raises:
        TokenizerError: it cannot be read, is no SentencePiece model, or has more pieces than the model has rows.
    """
    path = plan.spec.data.tokenizer.path
    assert path is not None
    tokenizer = Tokenizer.from_file(Path(path))
    vocab_size = plan.spec.architecture.model.vocab_size
    if tokenizer.vocab_size > vocab_size:
        raise TokenizerError(
            f"{path} has {tokenizer.vocab_size} pieces, model.vocab_size is {vocab_size}; "
            "raise it, or use another tokenizer"
        )
    return tokenizer


def training_text(plan: Plan) -> bytes | None:
    """The training split as text, where the source is text."""
    source = plan.spec.data.source
    if source.kind != "python_standard_library":
        return None
    assert source.validation_bytes is not None
    return "".join(document.text for document in standard_library_corpus(source.validation_bytes).train).encode()
