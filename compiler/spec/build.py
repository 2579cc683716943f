"""From the checked, default-filled document to the frozen dataclasses."""

from __future__ import annotations

from typing import Any

from . import Budget, Phase, Spec
from .architecture import (
    Architecture,
    Attention,
    Block,
    BlockInit,
    Embedding,
    Head,
    Init,
    InputLayer,
    LoopVector,
    Mlp,
    Model,
    NormScale,
    Residual,
    Rope,
    Skips,
    Stage,
    ValueEmbedding,
)
from .overrides import merged_blocks
from .quantization import Clip, Codec, Match, Quantization, Rule, Scheme
from .ranges import expand_numbers, expand_path
from .resolve_blocks import resolve_blocks
from .train import (
    Average,
    Data,
    Evaluate,
    GroupOptimizer,
    MomentumWarmup,
    Schedule,
    Source,
    Stop,
    TokenizerSource,
    Train,
)

Plain = dict[str, Any]


def build_spec(plain: Plain) -> Spec:
    """Builds the Spec of a document that has passed schema and rules; its `plain` has every block's defaults too.

    Raises:
        PathError: a path or range without meaning.
    """
    plain = resolve_blocks(plain)
    return Spec(
        name=plain["name"],
        about=plain["about"],
        budget=Budget(**plain["budget"]),
        data=_data(plain["data"]),
        architecture=build_architecture(plain),
        cadence=tuple(
            Phase(tuple(phase["pattern"]), phase["until"]["steps"] if "until" in phase else None)
            for phase in plain["cadence"]
        ),
        activities=dict(plain["activities"]),
        quantization=_quantization(plain["quantization"]),
        train=_train(plain["train"]),
        evaluate=_evaluate(plain["evaluate"], plain["train"]),
        plain=plain,
    )


def build_architecture(plain: Plain) -> Architecture:
    """The `model`, `blocks`, `graph` and `modes` sections."""
    blocks = {name: group_blocks(group) for name, group in plain["blocks"].items()}
    stages = tuple(_stage(stage, len(blocks[stage["blocks"]])) for stage in plain["graph"])
    modes = {name: {stage: change["loops"] for stage, change in mode.items()} for name, mode in plain["modes"].items()}
    return Architecture(_model(plain["model"]), blocks, stages, modes)


def group_blocks(group: Plain) -> tuple[Block, ...]:
    """The group's blocks with its overrides applied, in order."""
    return tuple(_block(block.plain) for block in merged_blocks(group))


def _init(plain: Plain) -> Init:
    return Init(**plain)


def _model(plain: Plain) -> Model:
    embedding = plain["embedding"]
    value = plain["value_embedding"]
    return Model(
        vocab_size=plain["vocab_size"],
        dim=plain["dim"],
        embedding=Embedding(
            embedding["tied"], _init(embedding["init"]), embedding["dtype"], _init(embedding["head_init"])
        ),
        head=Head(plain["head"]["softcap"]),
        norm_eps=plain["norm_eps"],
        input=tuple(_input_layer(layer) for layer in plain["input"]),
        value_embedding=None if value is None else ValueEmbedding(**_with_inits(value)),
    )


def _with_inits(plain: Plain) -> Plain:
    return {key: _init(value) if key.endswith("init") else value for key, value in plain.items()}


def _input_layer(plain: Plain) -> InputLayer:
    return InputLayer(**_with_inits(plain))


def _block(plain: Plain) -> Block:
    rope = plain["attention"]["rope"]
    scale = plain["residual"]["norm_scale"]
    return Block(
        attention=Attention(**{**plain["attention"], "rope": None if rope is None else _rope(rope)}),
        mlp=Mlp(**plain["mlp"]),
        residual=Residual(**{**plain["residual"], "norm_scale": None if scale is None else _norm_scale(scale)}),
        value_embedding=plain["value_embedding"],
        init=BlockInit(_init(plain["init"]["matrices"]), _init(plain["init"]["outputs"])),
        dtype=plain["dtype"],
    )


def _rope(plain: Plain) -> Rope:
    return Rope(dims=plain["dims"], base=float(plain["base"]), ntk_reference=plain["ntk_reference"])


def _norm_scale(plain: Plain) -> NormScale:
    indices = plain.get("indices")
    return NormScale(plain["index"], None if indices is None else tuple(indices))


def _stage(plain: Plain, count: int) -> Stage:
    vector, skips, place = plain["loop_vector"], plain["skips"], plain["place"]
    return Stage(
        name=plain["stage"],
        blocks=plain["blocks"],
        path=expand_path(plain["path"], count),
        loops=plain["loops"],
        loop_vector=None if vector is None else LoopVector(_init(vector["init"]), vector["dtype"]),
        skips=None if skips is None else Skips(**skips),
        value_embedding_at=expand_numbers(place.get("value_embedding", [])),
        xsa_at=expand_numbers(place.get("xsa", [])),
    )


def _quantization(plain: Plain) -> Quantization:
    rules = tuple(Rule(_scheme(rule["scheme"]), Match(**rule["match"])) for rule in plain["rules"])
    return Quantization(rules, Codec(**plain["codec"]))


def _scheme(plain: Plain) -> Scheme:
    clip = plain.get("clip")
    return Scheme(plain["kind"], plain.get("bits"), None if clip is None else Clip(**clip))


def _train(plain: Plain) -> Train:
    optimizers = {group: _optimizer(value) for group, value in plain["optimizer"].items()}
    average = plain["average"]
    nested = {
        "stop": Stop(**plain["stop"]),
        "schedule": Schedule(**plain["schedule"]),
        "optimizer": optimizers,
        "average": None if average is None else Average(**average),
    }
    return Train(**(plain | nested))


def _optimizer(plain: Plain) -> GroupOptimizer:
    warmup = plain.get("momentum_warmup")
    betas = plain.get("betas")
    nested = {
        "momentum_warmup": None if warmup is None else MomentumWarmup(**warmup),
        "betas": None if betas is None else (betas[0], betas[1]),
    }
    return GroupOptimizer(**(plain | nested))


def _data(plain: Plain) -> Data:
    return Data(Source(**plain["source"]), TokenizerSource(**plain["tokenizer"]), plain["order"])


def _evaluate(plain: Plain, train: Plain) -> Evaluate:
    return Evaluate(**(plain | {"sequence_length": plain["sequence_length"] or train["sequence_length"]}))
