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
_INIT = re.compile(r"^.*(init\.matrices|init\.outputs|init)\.")

NORMAL = {"kind": "normal", "std": 0.5, "depth_scale": "positions"}
ORTHOGONAL = {"kind": "orthogonal", "gain": 0.5, "depth_scale": "positions"}
ATTENTION: Plain = {
    "heads": 4,
    "kv_heads": 2,
    "qk_norm": False,
    "q_gain": 1.25,
    "rope": {
        "dims": 4,
        "base": 500.0,
        "ntk_reference": 8,
        "ntk_exponent": "head",
        "direction": "forward",
        "dtype": "bfloat16",
    },
    "xsa": True,
    "query_rank": 8,
    "differential": True,
}
MLP = {"activation": "leaky_relu_squared", "ratio": 3.0, "hidden": 64, "negative_slope": 0.25}
RESIDUAL = {
    "x0_mix": False,
    "branch_scale": False,
    "norm_scale": {"index": "explicit", "indices": [3, 4]},
    "arrangement": {"kind": "bounded", "tau": 0.5, "gate": [1.0, 2.0, 3.0, 4.0]},
    "token_gate": True,
}
MUON = {
    "kind": "muon",
    "lr": 0.5,
    "weight_decay": 0.25,
    "momentum": 0.75,
    "momentum_warmup": {"start": 0.5, "steps": 3},
    "nesterov": False,
    "newton_schulz_steps": 4,
    "newton_schulz_coefficients": [[4.0, -6.5, 3.0], [3.5, -4.5, 2.0], [3.5, -4.5, 2.0], [1.875, -1.25, 0.375]],
    "newton_schulz_dtype": "bfloat16",
    "normalize": "rows",
    "decay": "after",
}
ADAMW = {"kind": "adamw", "lr": 0.5, "weight_decay": 0.25, "betas": [0.5, 0.75], "eps": 1e-3}
OPTIMIZERS = {"matrices": MUON, "embeddings": ADAMW, "scalars": ADAMW, "head": ADAMW, "mine": MUON, "own": ADAMW}


MATCH = {
    "name": "a",
    "group": "matrices",
    "ndim": 2,
    "min_elements": 3,
    "max_elements": 4,
    "matrix": True,
    "min_uses": 1,
}
STEP = {"dtype": "float32", "floor": 0.5, "rounds_with": "exact"}
CLIPS = (
    {"kind": "std", "k": 3.0},
    {"kind": "sensitivity_std", "k": 3.0, "strength": 0.5},
    {"kind": "percentile", "percentile": 0.5},
    {"kind": "percentile_search", "percentiles": [0.5, 0.75], "choose": "store"},
)
INTEGER = {
    "kind": "integer",
    "bits": 5,
    "step": {"kind": "row", **STEP},
    "gptq": {"damping": 0.25, "order": "rising", "factor": "inverse"},
    "row_bits": {"high": 7, "low": 3, "share": 0.25},
    "prune": 0.25,
    "error_rank": 2,
}
SCHEMES: list[Plain] = [
    *({**INTEGER, "clip": clip} for clip in CLIPS),
    {"kind": "ternary", "step": {"kind": "group", "columns": 8, **STEP}, "prune": 0.25},
    {"kind": "binary", "step": {"kind": "store", **STEP}},
    {"kind": "published", "name": "std-int6-gptq"},
    {"kind": "rate_distortion"},
]
START = {"lr_scale": 0.15, "step": 5, "fraction": 0.6}
DECAY_RULE = {
    "match": {"name": "b", "group": "scalars", "ndim": 1, "min_elements": 3, "max_elements": 4},
    "decay": 0.75,
}
WHERE = {"positions": [0, "2..3"], "loops": [0, "2..3"]}
PARTS = (
    *("attention", "attention_scale", "gain", "mlp", "mlp_scale"),
    *("recurrence_gate", "residual_mix", "token_gate", "value_scale"),
)


def _stage(name: str, path: Any, blocks: str = "core", **more: Any) -> Plain:
    return {"stage": name, "blocks": blocks, "path": path, **more}


def _parallel(kind: str, **more: Any) -> Plain:
    return {"kind": "parallel", "combine": {"kind": kind, **more}}


def _placed(where: Any) -> Plain:
    """Everything of a stage that asks for positions, at `where`."""
    return {
        "position_vector": {"init": NORMAL, "dtype": "bfloat16", "at": where},
        "place": {"value_embedding": where, "xsa": where},
        "delta": {"rank": 3, "matrices": ["attention.query", "mlp.up"], "at": where},
        "value_residual": {"init": 0.5, "at": where},
        "drop": {"attention": where, "mlp": where},
        "refire": {"attention": where, "mlp": where},
        "private": dict.fromkeys(PARTS, where),
    }


FULL: Plain = {
    "spec_version": 1,
    "name": "full",
    "about": "Every key of the language.",
    "expect": ["LS501"],
    "budget": {"bytes": 5000, "code_bytes": 6, "margin": 7},
    "data": {
        "source": {"kind": "shards", "train": "a", "validation": "b", "limit": 3},
        "order": "shuffled",
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
        "multi_token": {"heads": 2, "weight": 0.5, "init": NORMAL},
        "documents": {"boundary_token": 3, "across": ["smear_gate"]},
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
                    "attention": {**ATTENTION, "rope": {**ATTENTION["rope"], "dims": 6, "base": 600.0}},
                    "mlp": MLP,
                    "residual": RESIDUAL,
                    "value_embedding": True,
                }
            ],
        },
        "three": {"count": 3, "attention": {"heads": 4, "kv_heads": 2}, "mlp": {"activation": "swiglu", "ratio": 2.0}},
    },
    "graph": [
        _stage(
            "items",
            [0, 1],
            loops=2,
            loop_vector={"init": ORTHOGONAL, "dtype": "bfloat16"},
            firing={"kind": "sequential"},
            skips={"kind": "unet", "scope": "path", "init": 0.5, "gated": True},
            between={"kind": "bottleneck", "dim": 3},
            lanes={"start": 1},
            auxiliary_loss={"kind": "fixed", "weights": [0.5, 0.25]},
            backpropagate_loops=1,
            skip_trace={"inject": 0.5, "decay": 1.5},
            checkpoint_activations=True,
            **_placed(WHERE),
        ),
        _stage(
            "cycle",
            {"cycle": 4},
            inside="items",
            firing=_parallel("self_gate", scale=0.5, gate_init=NORMAL),
            private={part: {**WHERE, "keep_shared": True} for part in PARTS},
        ),
        _stage(
            "sequence",
            {"sequence": 4},
            firing=_parallel(
                "ema_gate", scale=0.5, gate_init=ORTHOGONAL, decay=0.5, update_in_evaluation=True, dtype="bfloat16"
            ),
        ),
        _stage(
            "repeat",
            {"repeat": [1, 2]},
            firing=_parallel("reference_gate", scale=0.5, gate_init=NORMAL, dtype="bfloat16"),
        ),
        _stage("ties", {"ties": {"positions": 3, "groups": [[0, 2]]}}, firing=_parallel("mean")),
        _stage("sandwich", {"sandwich": 2}, "three"),
    ],
    "modes": {
        "short": {"items": {"loops": 1}},
        "other_paths": {
            "items": {"path": [1, "0..1", "0 x 2"]},
            "cycle": {"path": {"cycle": 6}},
            "sequence": {"path": {"sequence": 6}},
            "repeat": {"path": {"repeat": 2}},
            "ties": {"path": {"ties": {"positions": 4, "groups": [[0, 1, 3]]}}},
            "sandwich": {"path": {"sandwich": 3}},
        },
        "more": {
            "items": {"extra": {"times": 2, "positions": [1], "stop_below": 0.5}, "without": ["skips", "delta"]},
            "cycle": {"extra": {"times": 3, "blocks": [0, "0..1"]}},
        },
    },
    "cadence": [
        {"until": {"steps": 2}, "pattern": ["short"]},
        {"until": {"tokens": 192}, "pattern": ["single", "full"]},
        {"until": {"seconds": 5.5}, "pattern": ["full"]},
        {
            "until": {"fraction": 0.5},
            "sample": {"stage": "items", "loops": [1, 2], "distribution": "poisson", "mean": 1.5},
        },
        {"until": {"lr_warmdown": 0.75}, "pattern": ["short"]},
        {"pattern": ["full"]},
    ],
    "activities": {"replay": "single", "distill": "full", "calibrate": "items_1", "evaluate": "short"},
    "quantization": {
        "rules": [{"match": MATCH, "scheme": scheme} for scheme in SCHEMES],
        "codec": {"kind": "zstd", "level": 3},
        "calibration": {"tokens": 300, "source": "model", "seed": 4},
    },
    "train": {
        "seed": 2,
        "sequence_length": 16,
        "batch_tokens": 64,
        "accumulation": 2,
        "stop": {"steps": 10, "tokens": 700, "seconds": 30.0, "reserve_seconds": 5.0},
        "schedule": {
            "clock": "tokens",
            "warmup_steps": 1,
            "hold_steps": 3,
            "warmdown_steps": 2,
            "warmdown_tokens": 99,
            "warmdown_seconds": 7.0,
            "floor": 0.5,
        },
        "batch_schedule": [
            {"until": {"steps": 2}, "sequence_length": 8, "batch_tokens": 32, "accumulation": 4},
            {"until": {"tokens": 500}, "sequence_length": 8, "batch_tokens": 64, "accumulation": 1},
        ],
        "optimizer": OPTIMIZERS,
        "label_smoothing": 0.1,
        "penalties": {
            "z_loss": 0.001,
            "nuclear_norm": {
                "weight": 0.5,
                "every": 3,
                "match": {"name": "a", "group": "matrices", "ndim": 2, "min_elements": 3, "max_elements": 4},
            },
        },
        "inactive": "decay",
        "grad_clip": 0.5,
        "assign": [
            {
                "match": {"name": "a", "group": "scalars", "ndim": 1, "min_elements": 3, "max_elements": 4},
                "to": "frozen",
            }
        ],
        "averages": {
            "ema": {"kind": "ema", "decay": 0.5, "debias": False, "start_step": 3, "decays": [DECAY_RULE]},
            "swa": {"kind": "swa", "every": 2, "start": {"lr_scale": 0.2, "step": 4, "fraction": 0.5}},
        },
        "load": "swa",
        "finish": [
            {"kind": "replay", "lr_scale": 0.5, "batches": 3, "epochs": 4, "start": START},
            {
                "kind": "distill",
                "lr_scale": 0.25,
                "steps": 7,
                "temperature": 3.0,
                "alpha": 0.5,
                "mean_over": "sequences",
            },
        ],
        "quantization_aware": {"start": {"lr_scale": 0.15, "step": 5, "fraction": 0.6}},
        "precision": "bfloat16",
        "compile": True,
        "warm_up_steps": 2,
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
    "graph": [
        _stage("items", None, loops=2, **_placed([0, "2..3"])),
        _stage("everywhere", [1], between={"kind": "rms_norm"}, auxiliary_loss={"kind": "learned"}, **_placed("all")),
        _stage("last", [0], firing=_parallel("last")),
    ],
    "modes": {"short": {"items": {"loops": 1, "path": None}}},
    "cadence": [{"sample": {"stage": "items", "loops": [1, 2], "distribution": "uniform"}}],
    "activities": {},
    "train": {**FULL["train"], "optimizer": {"matrices": ADAMW}},
    "quantization": {**FULL["quantization"], "codec": {"kind": "zlib", "level": 3}},
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
    holder[path[-1]] = _another(holder[path[-1]])
    return copied


def _another(old: Any) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, str):
        return [1023] if old == "all" else f"{old}x"  # "all" stands for a list of every position
    return 1 if old is None else old + 1


def _built(plain: Plain) -> Spec | None:
    try:
        return build_spec(plain)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        AssertionError,
    ):  # a changed name, kind or null: it was read
        return None


TEXT: Plain = {
    **OTHER_KINDS,
    "data": {
        "source": {
            "kind": "text",
            "path": "a",
            "include": ["*.rst"],
            "validation_share": 0.25,
            "validation_bytes": 5000,
            "validation_path": "b",
        },
        "order": "coprime",
        "tokenizer": {"kind": "bytes"},
    },
    "quantization": {**FULL["quantization"], "codec": {"kind": "brotli", "level": 3}},
}
LZMA: Plain = {**TEXT, "quantization": {**FULL["quantization"], "codec": {"kind": "lzma", "level": 3}}}
DOCUMENTS = [fill_defaults(document, load_schema()) for document in (FULL, OTHER_KINDS, TEXT, LZMA)]


@pytest.mark.parametrize("plain", DOCUMENTS[:3], ids=["full", "other_kinds", "text"])
def test_no_key_is_accepted_and_then_ignored(plain: Plain) -> None:
    assert list(find_faults(load_schema(), plain)) == []
    unchanged = _built(plain)
    assert unchanged is not None
    built = {path: _built(_changed(plain, path)) for path, _ in _leaves(plain)}
    assert {_key_of(path) for path, spec in built.items() if spec == unchanged} <= READ_BY_THE_FRONT_END
    numbers = {path for path, value in _leaves(plain) if isinstance(value, int | float)}
    refused = {_key_of(path) for path in numbers if built[path] is None}
    assert {key for key in refused if ".path." not in key} <= {"blocks.*.count"}  # what must fit the group's count


def test_the_documents_state_every_key() -> None:
    stated = {_key_of(path[: end + 1]) for plain in DOCUMENTS for path, _ in _leaves(plain) for end in range(len(path))}
    keys = {info.path for info in all_keys(load_schema())}
    # one definition serves all places of an init; each of its kinds stands at some of them
    same = {_INIT.sub("init.", path) for path in stated}
    assert {path for path in keys - stated if _INIT.sub("init.", path) not in same} <= READ_BY_THE_FRONT_END
    assert len(keys) > 300


def _selected(value: object, above: tuple[str, ...] = (), path: Path = ()) -> Iterator[tuple[str, str]]:
    """Each key with each `kind: unet` (or other key with text) that stands beside it or beside a mapping around it."""
    if isinstance(value, dict):
        above = (*above, *(f"{name}: {item}" for name, item in value.items() if isinstance(item, str)))
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in below:
        yield from ((_INIT.sub("init.", _key_of((*path, step))), variant) for variant in above if step != 0)
        yield from _selected(item, above, (*path, step))


def test_the_documents_state_every_key_under_each_of_its_kinds() -> None:
    stated = {pair for plain in DOCUMENTS for pair in _selected(plain)}
    keys = {(_INIT.sub("init.", info.path), kind) for info in all_keys(load_schema()) for kind in info.variants}
    assert keys - stated == set()
    assert len(keys) > 50


def test_every_number_has_bounds() -> None:
    for info in all_keys(load_schema()):
        if "number" in info.type and not info.allowed:
            assert info.range.startswith(("from ", "above ", "at least ")), info
            assert info.range.startswith("from ") or " and at most " in info.range or " and below " in info.range, info


def test_the_schema_is_draft_2020_12() -> None:
    jsonschema.Draft202012Validator.check_schema(load_schema())


def test_defaults_are_valid_values() -> None:
    minimal = {key: FULL[key] for key in ("spec_version", "name", "model", "blocks", "graph", "train")}
    minimal |= {"model": {"vocab_size": 64, "dim": 32}, "train": {"stop": {"steps": 1}}}
    minimal |= {"graph": [{"stage": "trunk", "blocks": "core"}]}
    filled = fill_defaults(minimal, load_schema())
    assert list(find_faults(load_schema(), filled)) == []
    assert fill_defaults(filled, load_schema()) == filled
