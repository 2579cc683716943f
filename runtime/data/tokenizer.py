"""A SentencePiece tokenizer: read from a model, or trained on source text.

SentencePiece: Kudo and Richardson 2018, arXiv:1808.06226; byte-pair merges: Sennrich et al. 2016, arXiv:1508.07909.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sentencepiece

from .errors import TokenizerError

PieceKind = Literal["text", "byte", "control", "absent"]
TokenArray = npt.NDArray[np.uint16]

MAX_VOCAB_SIZE = 1 << 16  # tokens are stored as uint16
DEFAULT_SAMPLE_BYTES = 2_000_000
CHUNK_CHARACTERS = 3_000
ENCODE_BATCH = 64
MEND_FILE = "give a SentencePiece .model file"

# Chosen by bytes per token on held-out standard library source at 512 / 1,024 / 2,048 pieces: byte-pair merges beat
# unigram (2.43 against 2.36 at 1,024, and train 30 times faster); merges across spaces and scripts, so that an
# indentation and its keyword or a line end and the next indentation become one piece, 2.43 -> 2.66; pieces of up to 32
# characters, for deep indentation, 2.66 -> 2.67; splitting digits would cost 4%.
TRAINER_SETTINGS: dict[str, Any] = {
    "model_type": "bpe",
    "normalization_rule_name": "identity",
    "allow_whitespace_only_pieces": True,
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "byte_fallback": True,
    "split_by_whitespace": False,
    "split_by_unicode_script": False,
    "split_digits": False,
    "max_sentencepiece_length": 32,
    "character_coverage": 0.9995,
    "max_sentence_length": 1 << 20,
    "unk_id": 0,
    "bos_id": 1,
    "eos_id": -1,
    "pad_id": -1,
    "num_threads": 1,  # more threads may order equal merges differently
    "minloglevel": 2,
}


class Tokenizer:
    """A SentencePiece model and its serialized bytes.

    Attributes:
        model_bytes: the model proto, as in a `.model` file.
        sha256: of `model_bytes`.
        vocab_size: number of pieces.
        bos_id: the id that opens a document.
        has_dummy_prefix: the tokenizer itself puts a space before a text.
    """

    def __init__(self, model_bytes: bytes, source: str = "tokenizer model") -> None:
        """Load the model; prefer the constructors below.

        Raises:
            TokenizerError: not a SentencePiece model, more than 65,536 pieces, or no beginning-of-document piece.
        """
        if not model_bytes:
            raise TokenizerError(f"{source}: is empty; {MEND_FILE}")
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
        except RuntimeError as error:
            raise TokenizerError(
                f"{source}: not a SentencePiece model ({len(model_bytes)} bytes); {MEND_FILE}"
            ) from error
        self.model_bytes = model_bytes
        self.sha256 = hashlib.sha256(model_bytes).hexdigest()
        self.vocab_size: int = self._processor.vocab_size()
        self.bos_id: int = self._processor.bos_id()
        if self.vocab_size > MAX_VOCAB_SIZE:
            raise TokenizerError(
                f"{source}: {self.vocab_size} pieces; tokens are 16 bits, use at most {MAX_VOCAB_SIZE}"
            )
        if self.bos_id < 0:
            raise TokenizerError(f"{source}: no beginning-of-document piece; train the model with bos_id set")
        self.has_dummy_prefix: bool = self._processor.encode_as_pieces("a")[0].startswith("\u2581")

    @property
    def opening_id(self) -> int:
        """The token that precedes a text: `bos_id`."""
        return self.bos_id

    @classmethod
    def from_bytes(cls, model_bytes: bytes) -> "Tokenizer":
        """Load a serialized model. Raises TokenizerError."""
        return cls(model_bytes)

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        """Load a `.model` file. Raises TokenizerError, which names the file."""
        try:
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise TokenizerError(f"{path}: cannot be read: {error.strerror}; {MEND_FILE}") from error

    @classmethod
    def train(cls, texts: Sequence[str], vocab_size: int, sample_bytes: int = DEFAULT_SAMPLE_BYTES) -> "Tokenizer":
        """Train on an even sample of about `sample_bytes` of `texts`: the same texts give the same model, bit by bit.

        Raises:
            TokenizerError: the text is too small for the vocabulary, or the vocabulary for the characters.
        """
        if not 0 < vocab_size <= MAX_VOCAB_SIZE:
            raise TokenizerError(f"vocab_size = {vocab_size}: must be 1 to {MAX_VOCAB_SIZE}")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_sample(texts, sample_bytes),
                model_writer=model,
                vocab_size=vocab_size,
                **TRAINER_SETTINGS,
            )
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2].strip() or "no text to train on"
            raise TokenizerError(f"no tokenizer with {vocab_size} pieces can be trained: {reason}") from error
        return cls(model.getvalue())

    def encode(self, text: str) -> TokenArray:
        """Tokens (n,) of one text, without a beginning-of-document token."""
        return np.asarray(self._processor.encode(text), dtype=np.uint16)

    def encode_documents(self, texts: Sequence[str]) -> list[TokenArray]:
        """Tokens of each text; in batches, so that the library can use all cores."""
        arrays: list[TokenArray] = []
        for start in range(0, len(texts), ENCODE_BATCH):
            encoded = self._processor.encode(list(texts[start : start + ENCODE_BATCH]))
            arrays.extend(np.asarray(tokens, dtype=np.uint16) for tokens in encoded)
        return arrays

    def decode(self, tokens: TokenArray) -> str:
        """The text of `tokens`."""
        return str(self._processor.decode(tokens.tolist()))

    def kind(self, token: int) -> PieceKind:
        """What the id stands for; `absent`: unknown, unused or beyond the vocabulary."""
        model = self._processor
        if token >= self.vocab_size or model.is_unknown(token) or model.is_unused(token):
            return "absent"
        if model.is_control(token):
            return "control"
        return "byte" if model.is_byte(token) else "text"

    def piece(self, token: int) -> str:
        """The piece as the model stores it, with U+2581 for a space."""
        return str(self._processor.id_to_piece(token))


def training_key(texts: Sequence[str], vocab_size: int, sample_bytes: int = DEFAULT_SAMPLE_BYTES) -> str:
    """SHA-256 over everything that `Tokenizer.train` depends on: texts, settings and the library's version."""
    settings = {
        **TRAINER_SETTINGS,
        "vocab_size": vocab_size,
        "sample_bytes": sample_bytes,
        "chunk_characters": CHUNK_CHARACTERS,
        "sentencepiece": sentencepiece.__version__,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for text in texts:
        content = text.encode()
        digest.update(f"\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _sample(texts: Sequence[str], sample_bytes: int) -> Iterator[str]:
    """Every k-th chunk of the texts, k such that about `sample_bytes` are given."""
    total = sum(len(text) for text in texts)
    step = max(1, round(total / sample_bytes))
    chunks = (chunk for text in texts for chunk in _chunks(text))
    return (chunk for index, chunk in enumerate(chunks) if index % step == 0)


def _chunks(text: str) -> Iterator[str]:
    """Cut before a line end: the trainer strips line ends from the end of its input, and would never see them."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + CHUNK_CHARACTERS)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end
