"""Pass `size`: predicted bytes of the artifact, with an interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..graph.model import State
from ..plan import Plan
from ..size.calibrated import MeasuredRun, calibrated
from ..size.estimate import Estimate, estimate, size_estimate
from ..size.header import predict_header
from ..size.store import SizedStore
from ..spec import Spec
from ..spec.quantization import Scheme
from .draft import Draft

# A trained SentencePiece model of V pieces under zstd-22: 1,628, 4,787 and 11,298 bytes at V = 512, 1024 and 2048.
TOKENIZER_BYTES_PER_PIECE = (2.5, 4.8, 7.0)
# A model file given by the user may carry normalisation rules of about 240 kB, which compress to half.
TOKENIZER_FILE_BYTES = (0, 20_000, 150_000)
WHOLE = Scheme("float32")  # of states, and of a store that no rule takes, which is an error of its own


def predict(draft: Draft) -> Draft:
    """Fills `size`."""
    assert draft.graph is not None
    stores = [store for store in draft.graph.stores if store.exported]
    sized = {store.name: SizedStore(store.shape, draft.schemes.get(store.name, WHOLE)) for store in stores}
    states = [state for state in draft.graph.states if state.exported]
    found = _estimate(draft.spec, sized, states)
    return replace(draft, size=size_estimate(found, draft.spec.budget))


def estimate_plan(plan: Plan) -> Estimate:
    """What the size of a plan was predicted from."""
    return _estimate(plan.spec, _sized(plan), plan.exported_states)


def calibrate_plan(plan: Plan, run: MeasuredRun) -> tuple[Estimate, tuple[str, ...]]:
    """The same with the sizes of a measured run, and the coded stores that it says nothing of.

    Raises:
        MeasurementError: the run is not of this plan.
    """
    found = calibrated(_sized(plan), plan.spec.quantization.codec, run)
    return _estimate(plan.spec, found.stores, plan.exported_states), found.unrefined


def _sized(plan: Plan) -> dict[str, SizedStore]:
    return {store.name: SizedStore(store.shape, store.scheme) for store in plan.exported_stores}


def _estimate(spec: Spec, stores: dict[str, SizedStore], states: Iterable[State]) -> Estimate:
    buffers = [(state.name, state.shape) for state in states]
    return estimate(
        [*stores.values(), *(SizedStore(shape, WHOLE) for _, shape in buffers)],
        spec.quantization.codec,
        header=predict_header(spec.plain, [(name, store.shape) for name, store in stores.items()], buffers),
        tokenizer_bytes=_tokenizer_bytes(spec),
        code_bytes=spec.budget.code_bytes,
    )


def _tokenizer_bytes(spec: Spec) -> tuple[int, int, int]:
    if not spec.data.tokenizer.embed:
        return (0, 0, 0)
    pieces = spec.architecture.model.vocab_size
    low, predicted, high = (round(pieces * each) for each in TOKENIZER_BYTES_PER_PIECE)
    if spec.data.tokenizer.kind == "train":
        return (low, predicted, high)
    return (low + TOKENIZER_FILE_BYTES[0], predicted + TOKENIZER_FILE_BYTES[1], high + TOKENIZER_FILE_BYTES[2])
