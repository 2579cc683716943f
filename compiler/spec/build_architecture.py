"""From the `model`, `blocks`, `graph` and `modes` sections to the frozen architecture."""

from __future__ import annotations

from typing import Any

from .architecture import (
    Architecture,
    Arrangement,
    Attention,
    Block,
    BlockInit,
    Documents,
    Embedding,
    Head,
    InputLayer,
    Mlp,
    Model,
    MultiToken,
    NormScale,
    Residual,
    Rope,
    ValueEmbedding,
)
from .build_stage import build_init, build_stage, build_stage_mode
from .cadence import build_cadence, sampled_modes
from .overrides import merged_blocks
from .stage import StageMode

Plain = dict[str, Any]


def build_architecture(plain: Plain) -> Architecture:
    """The `model`, `blocks`, `graph` and `modes` sections."""
    blocks = {name: group_blocks(group) for name, group in plain["blocks"].items()}
    stages = tuple(build_stage(stage, len(blocks[stage["blocks"]])) for stage in plain["graph"])
    counts = {stage["stage"]: len(blocks[stage["blocks"]]) for stage in plain["graph"]}
    modes = {
        name: {stage: build_stage_mode(change, counts[stage]) for stage, change in mode.items()}
        for name, mode in plain["modes"].items()
    }
    for name, loops in sampled_modes(build_cadence(plain)).items():
        modes[name] = {stage: StageMode(loops=count) for stage, count in loops.items()}
    return Architecture(_model(plain["model"], plain["train"]), blocks, stages, modes)


def group_blocks(group: Plain) -> tuple[Block, ...]:
    """The group's blocks with its overrides applied, in order."""
    return tuple(_block(block.plain) for block in merged_blocks(group))


def _model(plain: Plain, train: Plain) -> Model:
    embedding = plain["embedding"]
    value, multi_token, documents = plain["value_embedding"], plain["multi_token"], plain["documents"]
    return Model(
        vocab_size=plain["vocab_size"],
        dim=plain["dim"],
        embedding=Embedding(
            embedding["tied"], build_init(embedding["init"]), embedding["dtype"], build_init(embedding["head_init"])
        ),
        head=Head(plain["head"]["softcap"], train["label_smoothing"], train["penalties"]["z_loss"]),
        norm_eps=plain["norm_eps"],
        input=tuple(_input_layer(layer) for layer in plain["input"]),
        value_embedding=None if value is None else ValueEmbedding(**_with_inits(value)),
        multi_token=None if multi_token is None else MultiToken(**_with_inits(multi_token)),
        documents=None if documents is None else Documents(documents["boundary_token"], tuple(documents["across"])),
    )


def _with_inits(plain: Plain) -> Plain:
    return {key: build_init(value) if key.endswith("init") else value for key, value in plain.items()}


def _input_layer(plain: Plain) -> InputLayer:
    return InputLayer(**_with_inits(plain))


def _block(plain: Plain) -> Block:
    rope = plain["attention"]["rope"]
    return Block(
        attention=Attention(**{**plain["attention"], "rope": None if rope is None else _rope(rope)}),
        mlp=Mlp(**plain["mlp"]),
        residual=_residual(plain["residual"]),
        value_embedding=plain["value_embedding"],
        init=BlockInit(build_init(plain["init"]["matrices"]), build_init(plain["init"]["outputs"])),
        dtype=plain["dtype"],
    )


def _rope(plain: Plain) -> Rope:
    return Rope(**(plain | {"base": float(plain["base"])}))


def _residual(plain: Plain) -> Residual:
    scale, arrangement = plain["norm_scale"], plain["arrangement"]
    gate = arrangement.get("gate")
    nested = {
        "norm_scale": None if scale is None else _norm_scale(scale),
        "arrangement": Arrangement(**(arrangement | {"gate": None if gate is None else tuple(map(float, gate))})),
    }
    return Residual(**(plain | nested))


def _norm_scale(plain: Plain) -> NormScale:
    indices = plain.get("indices")
    return NormScale(plain["index"], None if indices is None else tuple(indices))
