"""The packing phase: every store that a forward pass reads, once, by its scheme; the states; the resolved spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from ...compiler.plan import Plan
from ..artifact import STATE_SCHEME, ArtifactContents, ArtifactSummary, write_artifact
from ..data.text_tokenizer import TextTokenizer
from ..quantize import EncodedStore, encode


def encode_stores(plan: Plan, weights: Mapping[str, Tensor]) -> dict[str, EncodedStore]:
    """The stores of the artifact, quantized; those that only training reads are left out.

    Raises:
        QuantizeError: a store holds what its scheme cannot keep; names the store.
    """
    stores = plan.exported_stores
    return {store.name: encode(store.name, _float32(weights[store.name]), store.scheme) for store in stores}


def encode_states(plan: Plan, states: Mapping[str, Tensor]) -> dict[str, EncodedStore]:
    """The states of the artifact, as float32.

    Raises:
        QuantizeError: a state is not finite; names it.
    """
    return {
        state.name: encode(state.name, _float32(states[state.name]), STATE_SCHEME) for state in plan.exported_states
    }


def pack(
    plan: Plan,
    weights: Mapping[str, Tensor],
    states: Mapping[str, Tensor],
    tokenizer: TextTokenizer,
    provenance: dict[str, str],
    path: Path,
) -> ArtifactSummary:
    """Writes the artifact, whole or not at all. `weights` and `states` may hold more than what it takes of them."""
    contents = ArtifactContents(
        spec=plan.spec.plain,
        stores=encode_stores(plan, weights),
        states=encode_states(plan, states),
        tokenizer=tokenizer.model_bytes if plan.spec.data.tokenizer.embed else None,
        tokenizer_sha256=tokenizer.sha256,
        provenance=provenance,
    )
    return write_artifact(path, contents, plan.spec.quantization.codec)


def _float32(weight: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return weight.detach().float().cpu().numpy()
