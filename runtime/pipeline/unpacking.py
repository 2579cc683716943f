"""An opened artifact as plain files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.emit.dedup import dedup_map
from ...compiler.emit.source import emit_source
from ...compiler.source.canonical import resolved_yaml
from ...compiler.summary import plan_text
from ..atomic_file import write_atomically
from ..quantize import decode
from .scoring import OpenedArtifact


def write_parts(opened: OpenedArtifact, folder: Path) -> list[Path]:
    """Writes the parts into the folder, making it, and returns their paths; weights.npz holds states after stores."""
    plan = opened.plan
    weights = io.BytesIO()
    arrays: dict[str, Any] = {name: decode(tensor) for name, tensor in opened.contents.tensors.items()}
    np.savez(weights, **arrays)
    parts = {
        "spec.yaml": resolved_yaml(plan.spec.plain).encode(),
        "plan.txt": plan_text(plan).encode(),
        "model.py": emit_source(plan).encode(),
        "dedup_map.json": (json.dumps(dedup_map(plan), indent=2) + "\n").encode(),
        "weights.npz": weights.getvalue(),
    }
    if opened.contents.tokenizer is not None:
        parts["tokenizer.model"] = opened.contents.tokenizer
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in parts.items():
        write_atomically(folder / name, [data])
    return [folder / name for name in parts]
