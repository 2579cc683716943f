"""Pass `size`: predicted bytes of the artifact, with an interval."""

from __future__ import annotations

from dataclasses import replace

from ..size.estimate import SizedStore, predict_size
from ..size.header import predict_header
from ..spec import Spec
from ..spec.quantization import Scheme
from .draft import Draft

# A trained SentencePiece model of V pieces under zstd-22: 1,628, 4,787 and 11,298 bytes at V = 512, 1024 and 2048.
TOKENIZER_BYTES_PER_PIECE = (2.5, 4.8, 7.0)
# A model file given by the user may carry normalisation rules of about 240 kB, which compress to half.
TOKENIZER_FILE_BYTES = (0, 20_000, 150_000)


def predict(draft: Draft) -> Draft:
    """Fills `size`."""
    assert draft.graph is not None
    spec = draft.spec
    stores = [store for store in draft.graph.stores if store.exported]
    states = [state for state in draft.graph.states if state.exported]
    whole = Scheme("float32")  # of states; a store that no rule takes is an error of its own
    size = predict_size(
        [
            *(SizedStore(store.shape, draft.schemes.get(store.name, whole)) for store in stores),
            *(SizedStore(state.shape, whole) for state in states),
        ],
        spec.quantization.codec,
        header=predict_header(
            spec.plain,
            [(store.name, store.shape) for store in stores],
            [(state.name, state.shape) for state in states],
        ),
        tokenizer_bytes=_tokenizer_bytes(spec),
        code_bytes=spec.budget.code_bytes,
        limit_bytes=spec.budget.bytes,
    )
    return replace(draft, size=size)


def _tokenizer_bytes(spec: Spec) -> tuple[int, int, int]:
    if not spec.data.tokenizer.embed:
        return (0, 0, 0)
    pieces = spec.architecture.model.vocab_size
    low, predicted, high = (round(pieces * each) for each in TOKENIZER_BYTES_PER_PIECE)
    if spec.data.tokenizer.kind == "train":
        return (low, predicted, high)
    return (low + TOKENIZER_FILE_BYTES[0], predicted + TOKENIZER_FILE_BYTES[1], high + TOKENIZER_FILE_BYTES[2])
