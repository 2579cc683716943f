"""From the `data` section to tokens: text or shards, and the tokenizer, trained, read or bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...compiler.plan import Plan
from ..data.byte_tokenizer import ByteTokenizer
from ..data.corpus import Corpus, standard_library_corpus
from ..data.errors import TokenizerError
from ..data.shard_checks import Progress
from ..data.text_corpus import Validation, text_corpus
from ..data.text_tokenizer import TextTokenizer
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


def prepare_data(plan: Plan, note: Note, progress: Progress | None = None) -> TokenData:
    """The plan's data, tokenized and checked; `progress` is told training shards checked and their number.

    Raises:
        DataError: text, shards or tokenizer that cannot be used; the message names the file and the mend.
    """
    source, vocab_size = plan.spec.data.source, plan.spec.architecture.model.vocab_size
    corpus = spec_corpus(plan)
    tokenizer = _tokenizer(plan, corpus, note)
    if corpus is None:
        assert source.train is not None and source.validation is not None
        tokens = from_shards(source.train, source.validation, tokenizer, vocab_size, source.limit, progress)
    else:
        tokens = from_corpus(corpus, tokenizer, vocab_size)
    for event in tokens.events:
        note(event.message)
    note(tokens.description)
    return tokens


def prepare_validation(plan: Plan, tokenizer: TextTokenizer, note: Note) -> ValidationData:
    """The plan's validation split alone, by a given tokenizer (an artifact carries its own); no training data is read.

    The split of a corpus needs all of its text, but only the validation documents are tokenized.

    Raises:
        DataError: text or shards that cannot be used; the message names the file and the mend.
    """
    source, vocab_size = plan.spec.data.source, plan.spec.architecture.model.vocab_size
    corpus = spec_corpus(plan)
    if corpus is None:
        assert source.validation is not None
        validation = validation_from_shards(source.validation, tokenizer, vocab_size)
    else:
        validation = validation_from_corpus(corpus, tokenizer, vocab_size)
    note(f"validation data: {validation.description}")
    return validation


def spec_tokenizer(plan: Plan, note: Note) -> TextTokenizer:
    """The tokenizer that the spec asks for: trained on the corpus (or from the cache), read from its file, or bytes.

    Raises:
        TokenizerError: the file cannot be read, is no SentencePiece model, or has more pieces than the model has rows;
            or the tokenizer is to be trained and the data are shards.
        CorpusError: it is to be trained on text that cannot be used.
    """
    trained = plan.spec.data.tokenizer.kind == "train"
    return _tokenizer(plan, spec_corpus(plan) if trained else None, note)


def training_text(plan: Plan) -> bytes | None:
    """The training split as text, where the source is text."""
    corpus = spec_corpus(plan)
    return None if corpus is None else "".join(document.text for document in corpus.train).encode()


def spec_corpus(plan: Plan) -> Corpus | None:
    """The text that the spec names, split; None where it names shards.

    Raises:
        CorpusError: text that cannot be used; the message names the file and the mend.
    """
    source = plan.spec.data.source
    if source.kind == "shards":
        return None
    if source.kind == "python_standard_library":
        assert source.validation_bytes is not None
        return standard_library_corpus(source.validation_bytes)
    assert source.path is not None and source.validation_share is not None
    held_out = None if source.validation_path is None else Path(source.validation_path)
    validation = Validation(source.validation_share, source.validation_bytes, held_out)
    return text_corpus(Path(source.path), source.include, validation)


def _tokenizer(plan: Plan, corpus: Corpus | None, note: Note) -> TextTokenizer:
    kind, vocab_size = plan.spec.data.tokenizer.kind, plan.spec.architecture.model.vocab_size
    if kind == "file":
        return _read_tokenizer(plan)
    if kind == "bytes":
        return ByteTokenizer.for_vocabulary(vocab_size)
    if corpus is None:
        raise TokenizerError(
            "data.tokenizer: kind train needs text, and shards hold tokens; "
            "give the tokenizer of the shards as {kind: file, path: ...}"
        )
    tokenizer, events = cached_tokenizer([document.text for document in corpus.train], vocab_size)
    for event in events:
        note(event.message)
    return tokenizer


def _read_tokenizer(plan: Plan) -> Tokenizer:
    path = plan.spec.data.tokenizer.path
    assert path is not None
    tokenizer = Tokenizer.from_file(Path(path).expanduser())
    vocab_size = plan.spec.architecture.model.vocab_size
    if tokenizer.vocab_size > vocab_size:
        raise TokenizerError(
            f"{path} has {tokenizer.vocab_size} pieces, model.vocab_size is {vocab_size}; "
            "raise it, or use another tokenizer"
        )
    return tokenizer
