"""Schema, dataclasses and defaults agree: no key without words and bounds, none accepted and then ignored."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.defaults import fill_defaults
from loopspec.compiler.schema.lookup import all_keys, lookup_key
from loopspec.compiler.schema.validator import find_faults
from loopspec.compiler.spec import Spec
from loopspec.compiler.spec.build import build_spec

Plain = dict[str, Any]
Path = tuple[str | int, ...]

READ_BY_THE_FRONT_END = {"spec_version", "extends", "expect", "x-*"}
ONE_CHOICE_ONLY = {"graph[].firing", "graph[].firing.kind"}  # a place for later kinds

_INIT = re.compile(r"^.*(init\.matrices|init\.outputs|init)\.")

NORMAL = {"kind": "normal", "std": 0.5, "depth_scale": "positions"}
ORTHOGONAL = {"kind": "orthogonal", "gain": 0.5, "depth_scale": "positions"}
ATTENTION = {
    "heads": 4,
    "kv_heads": 2,
    "qk_norm": False,
    "q_gain": 1.25,
    "rope": {"dims": 4, "base": 500.0, "ntk_reference": 8},
    "xsa": True,
}
MLP = {"activation": "leaky_relu_squared", "ratio": 3.0, "hidden": 64, "negative_slope": 0.25}
RESIDUAL = {"x0_mix": False, "branch_scale": False, "norm_scale": {"index": "explicit", "indices": [3, 4]}}
MUON = {
    "kind": "muon",
    "lr": 0.5,
    "weight_decay": 0.25,
    "momentum": 0.75,
    "momentum_warmup": {"start": 0.5, "steps": 3},
    "nesterov": False,
    "newton_schulz_steps": 4,
}
ADAMW = {"kind": "adamw", "lr": 0.5, "weight_decay": 0.25, "betas": [0.5, 0.75], "eps": 1e-3}


def _stage(name: str, path: Any, **more: Any) -> Plain:
    return {"stage": name, "blocks": "core", "path": path, **more}


FULL: Plain = {
    "spec_version": 1,
    "name": "full",
    "about": "Every key of the language.",
    "expect": ["LS501"],
    "budget": {"bytes": 5000, "code_bytes": 6},
    "data": {
        "source": {"kind": "shards", "train": "a", "validation": "b"},
        "tokenizer": {"kind": "file", "path": "c", "embed": True},
    },
    "model": {
        "vocab_size": 64,
        "dim": 32,
        "norm_eps": 1e-3,
        "embedding": {"tied": False, "init": NORMAL, "dtype": "bfloat16", "head_init": ORTHOGONAL},
        "input": [
            {
                "kind": "ngram_hash",
                "order": 2,
                "buckets": 5,
                "dim": 6,
                "scale": 0.5,
                "table_init": NORMAL,
                "projection_init": ORTHOGONAL,
                "dtype": "bfloat16",
            },
            {"kind": "smear_gate", "init": {"kind": "constant", "value": 0.5}},
        ],
        "value_embedding": {
            "dim": 4,
            "scale": 0.5,
            "position_scale": 0.25,
            "table_init": NORMAL,
            "projection_init": {"kind": "uniform_fan_in", "depth_scale": "positions"},
            "dtype": "bfloat16",
        },
        "head": {"softcap": 15.0},
    },
    "blocks": {
        "core": {
            "count": 2,
            "attention": ATTENTION,
            "mlp": MLP,
            "residual": RESIDUAL,
            "value_embedding": False,
            "init": {"matrices": NORMAL, "outputs": ORTHOGONAL},
            "dtype": "bfloat16",
            "overrides": [
                {
                    "blocks": [1],
                    "attention": {**ATTENTION, "rope": {"dims": 6, "base": 600.0, "ntk_reference": 9}},
                    "mlp": MLP,
                    "residual": RESIDUAL,
                    "value_embedding": True,
                }
            ],
        }
    },
    "graph": [
        _stage(
            "items",
            [0, 1],
            loops=2,
            loop_vector={"init": ORTHOGONAL, "dtype": "bfloat16"},
            firing={"kind": "sequential"},
            skips={"kind": "unet", "scope": "path", "init": 0.5},
            place={"value_embedding": [0], "xsa": [1]},
        ),
        _stage("cycle", {"cycle": 4}),
        _stage("sequence", {"sequence": 4}),
        _stage("repeat", {"repeat": [1, 2]}),
        _stage("ties", {"ties": {"positions": 3, "groups": [[0, 2]]}}),
    ],
    "modes": {"short": {"items": {"loops": 1}}},
    "cadence": [{"until": {"steps": 5}, "pattern": ["short"]}, {"pattern": ["full"]}],
    "activities": {"evaluate": "short"},
    "quantization": {
        "rules": [
            {
                "match": {"name": "a", "group": "matrices", "ndim": 2, "min_elements": 3, "max_elements": 4},
                "scheme": {"kind": "integer", "bits": 5, "clip": {"kind": "std", "k": 3.0}},
            }
        ],
        "codec": {"kind": "zstd", "level": 3},
    },
    "train": {
        "seed": 2,
        "sequence_length": 16,
        "batch_tokens": 64,
        "accumulation": 2,
        "stop": {"steps": 10},
        "schedule": {"warmup_steps": 1, "warmdown_steps": 2, "floor": 0.5},
        "optimizer": {"matrices": MUON, "embeddings": ADAMW, "scalars": ADAMW, "head": ADAMW},
        "inactive": "decay",
        "grad_clip": 0.5,
        "average": {"kind": "ema", "decay": 0.5, "debias": False},
        "precision": "bfloat16",
        "cpu_threads": 2,
        "validate_every": 3,
        "log_every": 4,
        "checkpoint_every": 5,
        "keep_checkpoints": 6,
    },
    "evaluate": {"sequence_length": 8, "stride": 4, "batch_windows": 3},
}
OTHER_KINDS: Plain = {
    **FULL,
    "data": {
        "source": {"kind": "python_standard_library", "validation_bytes": 5000},
        "tokenizer": {"kind": "train", "embed": False},
    },
    "model": {**FULL["model"], "input": [{"kind": "ngram_hash", "order": 2, "buckets": 5, "dim": 6}]},
    "train": {**FULL["train"], "optimizer": {"matrices": ADAMW}},
}


def _leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if below is None:
        yield path, value
    for step, item in below or ():
        yield from _leaves(item, (*path, step))


def _key_of(path: Path) -> str:
    """The name of a place in the language: `blocks.*.attention.heads`."""
    while isinstance(path[-1], int):
        path = path[:-1]
    return lookup_key(load_schema(), ".".join(map(str, path))).path


def _changed(plain: Plain, path: Path) -> Plain:
    """A copy with another value of the same type at `path`."""
    copied = copy.deepcopy(plain)
    holder: Any = copied
    for step in path[:-1]:
        holder = holder[step]
    old = holder[path[-1]]
    holder[path[-1]] = (
        (not old) if isinstance(old, bool) else f"{old}x" if isinstance(old, str) else 1 if old is None else old + 1
    )
    return copied


def _built(plain: Plain) -> Spec | None:
    try:
        return build_spec(plain)
    except (ValueError, KeyError, TypeError, AssertionError):  # a changed name, kind or null: it was read
        return None


DOCUMENTS = [fill_defaults(document, load_schema()) for document in (FULL, OTHER_KINDS)]


@pytest.mark.parametrize("plain", DOCUMENTS, ids=["full", "other_kinds"])
def test_no_key_is_accepted_and_then_ignored(plain: Plain) -> None:
    assert list(find_faults(load_schema(), plain)) == []
    unchanged = _built(plain)
    assert unchanged is not None
    ignored = {_key_of(path) for path, _ in _leaves(plain) if _built(_changed(plain, path)) == unchanged}
    assert ignored <= READ_BY_THE_FRONT_END | ONE_CHOICE_ONLY


def test_the_documents_state_every_key() -> None:
    stated = {_key_of(path[: end + 1]) for plain in DOCUMENTS for path, _ in _leaves(plain) for end in range(len(path))}
    keys = {info.path for info in all_keys(load_schema())}
    # one definition serves all places of an init; each of its kinds stands at some of them
    same = {_INIT.sub("init.", path) for path in stated}
    assert {path for path in keys - stated if _INIT.sub("init.", path) not in same} <= READ_BY_THE_FRONT_END
    assert len(keys) > 150


def test_every_number_has_bounds() -> None:
    for info in all_keys(load_schema()):
        if "number" in info.type and not info.allowed:
            assert info.range.startswith(("from ", "above ", "at least ")), info
            assert info.range.startswith("from ") or " at most " in info.range or info.unit, info


def test_the_schema_is_draft_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema())


def test_defaults_are_valid_values() -> None:
    minimal = {key: FULL[key] for key in ("spec_version", "name", "model", "blocks", "graph", "train")}
    minimal |= {"model": {"vocab_size": 64, "dim": 32}, "train": {"stop": {"steps": 1}}}
    minimal |= {"graph": [{"stage": "trunk", "blocks": "core"}]}
    filled = fill_defaults(minimal, load_schema())
    assert list(find_faults(load_schema(), filled)) == []
    assert fill_defaults(filled, load_schema()) == filled
