"""From the `data` section to tokens: corpus or shards, and the tokenizer, trained or read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...compiler.plan import Plan
from ..data.corpus import standard_library_corpus
from ..data.errors import TokenizerError
from ..data.token_source import (
    TokenData,
    ValidationData,
    from_corpus,
    from_shards,
    validation_from_corpus,
    validation_from_shards,
)
from ..data.tokenizer import Tokenizer
from ..data.tokenizer_cache import cached_tokenizer

Note = Callable[[str], None]


def prepare_data(plan: Plan, note: Note) -> TokenData:
    """The plan's data, tokenized.

    Raises:
        DataError: text, shards or tokenizer that cannot be used; the message names the file and the mend.
    """
    data, vocab_size = plan.spec.data, plan.spec.architecture.model.vocab_size
    if data.source.kind == "shards":
        assert data.source.train is not None and data.source.validation is not None
        tokens = from_shards(data.source.train, data.source.validation, spec_tokenizer(plan, note), vocab_size)
    else:
        assert data.source.validation_bytes is not None
        corpus = standard_library_corpus(data.source.validation_bytes)
        tokens = from_corpus(corpus, spec_tokenizer(plan, note), vocab_size)
    for event in tokens.events:
        note(event.message)
    note(tokens.description)
    return tokens


def prepare_validation(plan: Plan, tokenizer: Tokenizer, note: Note) -> ValidationData:
    """The plan's validation split alone, by a given tokenizer (an artifact carries its own); no training data is read.

    The split of the corpus needs all of its text, but only the validation documents are tokenized.

    Raises:
        DataError: text or shards that cannot be used; the message names the file and the mend.
    """
    source, vocab_size = plan.spec.data.source, plan.spec.architecture.model.vocab_size
    if source.kind == "shards":
        assert source.validation is not None
        validation = validation_from_shards(source.validation, tokenizer, vocab_size)
    else:
        assert source.validation_bytes is not None
        validation = validation_from_corpus(standard_library_corpus(source.validation_bytes), tokenizer, vocab_size)
    note(f"validation data: {validation.description}")
    return validation


def spec_tokenizer(plan: Plan, note: Note) -> Tokenizer:
    """The tokenizer that the spec asks for: trained on the corpus (or from the cache), or read from its file.

    Raises:
        TokenizerError: the file cannot be read, is no SentencePiece model, or has more pieces than the model has rows;
            or the tokenizer is to be trained and the data are shards.
    """
    data = plan.spec.data
    if data.tokenizer.kind == "file":
        return _read_tokenizer(plan)
    if data.source.validation_bytes is None:
        raise TokenizerError(
            "data.tokenizer: kind train needs text, and shards hold tokens; "
            "give the tokenizer of the shards as {kind: file, path: ...}"
        )
    texts = [document.text for document in standard_library_corpus(data.source.validation_bytes).train]
    tokenizer, events = cached_tokenizer(texts, plan.spec.architecture.model.vocab_size)
    for event in events:
        note(event.message)
    return tokenizer


def _read_tokenizer(plan: Plan) -> Tokenizer:
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
