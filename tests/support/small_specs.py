"""Small specs as plain documents, and their drafts and plans without a file."""

from __future__ import annotations

from typing import Any

from loopspec.compiler.passes import freeze, run_passes
from loopspec.compiler.passes.draft import Draft
from loopspec.compiler.plan import Plan
from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.defaults import fill_defaults
from loopspec.compiler.spec import Spec
from loopspec.compiler.spec.build import build_spec

Plain = dict[str, Any]


def group(count: int, **changes: Any) -> Plain:
    """A group of narrow blocks: 2 heads of width 8, one key-value head."""
    return {"count": count, "attention": {"heads": 2, "kv_heads": 1}, "mlp": {"ratio": 2}, **changes}


FIXED_RULES = (
    {"match": {"group": "embeddings"}, "scheme": {"kind": "integer", "bits": 8, "clip": {"kind": "std", "k": 20.0}}},
    {"match": {"group": "matrices"}, "scheme": {"kind": "integer", "bits": 6, "clip": {"kind": "std", "k": 12.85}}},
    {"scheme": {"kind": "float16"}},
)
"""Fixed grids, which training can round to."""


def small(**sections: Any) -> Plain:
    """Two blocks in one stage, width 16; `sections` replaces whole sections."""
    return {
        "spec_version": 1,
        "name": "small",
        "model": {"vocab_size": 11, "dim": 16},
        "blocks": {"core": group(2)},
        "graph": [{"stage": "trunk", "blocks": "core"}],
        "train": {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 10}},
        "evaluate": {"stride": 4},
        "quantization": {"rules": list(FIXED_RULES)},
        **sections,
    }


def spec_of(plain: Plain) -> Spec:
    """The spec of a document that is taken to be valid."""
    return build_spec(fill_defaults(plain, load_schema()))


def draft_of(plain: Plain, until: str | None = None) -> Draft:
    """The draft after the pass `until`, or after all."""
    return run_passes(spec_of(plain), until)


def plan_of(plain: Plain) -> Plan:
    """The plan of a document that is taken to be valid."""
    return freeze(draft_of(plain))
