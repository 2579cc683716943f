"""The packing phase: every store once, by its scheme, with the resolved spec, into one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from ...compiler.plan import Plan
from ..artifact import ArtifactContents, ArtifactSummary, write_artifact
from ..data.tokenizer import Tokenizer
from ..quantize import EncodedStore, encode


def encode_stores(plan: Plan, weights: Mapping[str, Tensor]) -> dict[str, EncodedStore]:
    """The plan's stores, quantized.

    Raises:
        QuantizeError: a store holds what its scheme cannot keep; names the store.
    """
    return {store.name: encode(store.name, _float32(weights[store.name]), store.scheme) for store in plan.stores}


def pack(
    plan: Plan, weights: Mapping[str, Tensor], tokenizer: Tokenizer, provenance: dict[str, str], path: Path
) -> ArtifactSummary:
    """Writes the artifact, whole or not at all."""
    contents = ArtifactContents(
        spec=plan.spec.plain,
        stores=encode_stores(plan, weights),
        tokenizer=tokenizer.model_bytes if plan.spec.data.tokenizer.embed else None,
        tokenizer_sha256=tokenizer.sha256,
        provenance=provenance,
    )
    return write_artifact(path, contents, plan.spec.quantization.codec)


def _float32(weight: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return weight.detach().float().cpu().numpy()
