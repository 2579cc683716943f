"""Random valid stages and modes (hypothesis strategies)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from loopspec.compiler.operations import FIRING_RULES
from loopspec.compiler.spec.ranges import expand_path

Plain = dict[str, Any]
OWN_BY_LOOP = {"loop_vector", "auxiliary_loss", "position_vector", "value_residual", "lanes"}
"""Keys of stages whose stores or weights no further loop could have."""


def rarely() -> st.SearchStrategy[bool]:
    """True about once in four."""
    return st.sampled_from([False, False, False, True])


@st.composite
def paths(draw: st.DrawFn, count: int) -> Any:
    """A path that runs every block of the group."""
    kinds = ["identity", "list", "cycle", "sequence", "repeat", "ties"]
    kind = draw(st.sampled_from([*kinds, "sandwich"] if count > 2 else kinds))
    if kind == "sandwich":
        return {"sandwich": draw(st.integers(1, 2))}
    if kind == "list":
        extra = draw(st.lists(st.integers(0, count - 1), max_size=3))
        return draw(st.permutations([*range(count), *extra]))
    if kind == "cycle":
        return {"cycle": count + draw(st.integers(0, 3))}
    if kind == "sequence":
        return {"sequence": count * draw(st.integers(1, 2))}
    if kind == "repeat":
        return {
            "repeat": draw(st.one_of(st.integers(1, 2), st.lists(st.integers(1, 2), min_size=count, max_size=count)))
        }
    if kind == "ties":
        return {"ties": {"positions": count + 2, "groups": [draw(st.permutations(range(count + 2)))[:3]]}}
    return None


@st.composite
def where(draw: st.DrawFn, positions: int, loops: int, first: int = 0) -> Any:
    """Some positions from `first` on, in every loop or in some."""
    some = draw(st.lists(st.integers(first, positions - 1), min_size=1, max_size=3, unique=True))
    if draw(st.booleans()) or loops == 1:
        return draw(st.sampled_from(["all", some])) if first == 0 else some
    turns = draw(st.lists(st.integers(0, loops - 1), min_size=1, max_size=2, unique=True))
    return {"positions": some, "loops": turns}


@st.composite
def firings(draw: st.DrawFn) -> tuple[Plain, int]:
    """How the loops follow each other, and how many there are."""
    if draw(st.sampled_from([True, True, False])):
        return {"kind": "sequential"}, draw(st.integers(1, 3))
    kind = draw(st.sampled_from(sorted(FIRING_RULES)))
    combine: Plain = {"kind": kind}
    if kind.endswith("_gate"):
        combine["scale"] = 0.7
    if kind == "ema_gate":
        combine["update_in_evaluation"] = draw(st.booleans())
    return {"kind": "parallel", "combine": combine}, FIRING_RULES[kind].exactly or draw(st.integers(2, 3))


@st.composite
def stages(draw: st.DrawFn, name: str, group: str, blocks: Plain, value_embedding: bool) -> Plain:
    """A stage over a group; `value_embedding`: the value embedding is placed on positions."""
    count = blocks["count"]
    path, (firing, loops) = draw(paths(count)), draw(firings())
    positions = len(expand_path(path, count))
    init = draw(st.sampled_from([{"kind": "normal", "std": 0.5}, {"kind": "orthogonal", "gain": 0.5}]))
    last = firing.get("combine", {}).get("kind") == "last"
    stage: Plain = {"stage": name, "blocks": group, "path": path, "loops": loops, "firing": firing}
    parallel = firing["kind"] == "parallel"  # whose firings must differ
    if loops > 1 and not last and (parallel or draw(st.booleans())):
        stage["loop_vector"] = {"init": init}
    if positions > 1 and draw(st.booleans()):
        scopes = ["pass", "path"] if firing["kind"] == "sequential" else ["pass"]
        stage["skips"] = {"kind": "unet", "scope": draw(st.sampled_from(scopes)), "gated": draw(rarely())}
    if value_embedding:
        stage["place"] = {"value_embedding": draw(where(positions, 1))}
    if draw(rarely()) and not last:
        stage["position_vector"] = {"init": {"kind": "normal", "std": 0.5}, "at": draw(where(positions, loops))}
    if firing["kind"] == "sequential":
        _add_loop_features(draw, stage, positions, loops)
    if not last:
        _add_position_features(draw, stage, blocks, positions, loops)
    stage["checkpoint_activations"] = draw(rarely())
    return stage


def _add_loop_features(draw: st.DrawFn, stage: Plain, positions: int, loops: int) -> None:
    if loops > 1 and draw(rarely()):
        stage["between"] = draw(st.sampled_from([{"kind": "rms_norm"}, {"kind": "bottleneck", "dim": 3}]))
    if loops > 1 and draw(rarely()):
        stage["auxiliary_loss"] = {"kind": "fixed", "weights": [0.3] * (loops - 1)}
    if positions > 1 and draw(rarely()):
        stage["value_residual"] = {"init": 0.4, "at": draw(where(positions, 1, first=1))}


def _add_position_features(draw: st.DrawFn, stage: Plain, blocks: Plain, positions: int, loops: int) -> None:
    residual, attention = blocks["residual"], blocks["attention"]
    parts = ["mlp"]
    parts += ["attention_scale", "mlp_scale"] if residual["branch_scale"] else []
    parts += ["residual_mix"] if residual["x0_mix"] else []
    parts += ["recurrence_gate"] if residual["arrangement"]["kind"] == "bounded" else []
    parts += ["token_gate"] if residual["token_gate"] else []
    parts += draw(st.sampled_from([["attention"], ["gain"] if attention["q_gain"] is not None else []]))
    if draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=3, unique=True))
        stage["private"] = {part: draw(where(positions, loops)) for part in chosen}
    if draw(rarely()):
        names = ["attention.key", "attention.value", "attention.output", "attention.query", "mlp.up", "mlp.down"]
        names += ["mlp.gate"] if blocks["mlp"]["activation"] == "swiglu" else []
        matrices = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        stage["delta"] = {"rank": 2, "matrices": matrices, "at": draw(where(positions, loops))}
    plain = residual["arrangement"]["kind"] == "sequential" and not residual["token_gate"]
    special = draw(st.sampled_from(["", "", "", "drop", "refire", "lanes"])) if plain else ""
    if special == "lanes" and not {"skips", "position_vector"} & stage.keys():
        stage["lanes"] = {"start": draw(st.integers(0, positions - 1))}
    elif special == "refire":
        stage["refire"] = {draw(st.sampled_from(["attention", "mlp"])): [draw(st.integers(0, positions - 1))]}
    elif special == "drop" and loops > 1 and not {"value_residual", "private", "delta"} & stage.keys():
        where_ = {"positions": [draw(st.integers(0, positions - 1))], "loops": [loops - 1]}
        branches = ["mlp"] if "place" in stage or blocks.get("value_embedding") else ["attention", "mlp"]
        stage["drop"] = {draw(st.sampled_from(branches)): where_}


def can_hold(outer: Plain, inner: Plain) -> bool:
    """Whether a stage can run between the halves of another; a running average is of one run a step."""
    skips, combine = outer.get("skips"), inner["firing"].get("combine", {})
    if skips is None or (skips["scope"] == "path" and outer["loops"] > 1):
        return False
    return outer["loops"] == 1 or combine.get("kind") != "ema_gate"


@st.composite
def modes(draw: st.DrawFn, graph: list[Plain], blocks: dict[str, Plain]) -> tuple[Plain, list[str]]:
    """Declared modes, and the pattern of the cadence."""
    changed: Plain = {}
    pattern = ["full"]
    if any(stage["loops"] > 1 for stage in graph) and draw(st.booleans()):
        pattern.insert(0, "single")
    stage = draw(st.sampled_from(graph))
    plain = "private" not in stage and "delta" not in stage and stage["firing"]["kind"] == "sequential"
    kind = draw(st.sampled_from(["", "extra", "settle", "more", "without", "off"]))
    if kind in ("extra", "settle") and plain:
        extra: Plain = {"times": draw(st.integers(1, 3)), "blocks": [0]}
        if draw(st.booleans()):
            positions = len(expand_path(stage["path"], blocks[stage["blocks"]]["count"]))
            extra = {
                "times": extra["times"],
                "positions": [positions - 1, 0][: draw(st.integers(1, min(positions, 2)))],
            }
        if kind == "settle":
            extra["stop_below"] = draw(st.sampled_from([1e-6, 0.3, 5.0]))
        changed["deep"] = {stage["stage"]: {"extra": extra}}
    elif (
        kind == "more"
        and plain
        and not OWN_BY_LOOP & stage.keys()
        and (stage.get("skips") or {}).get("scope") != "path"
    ):
        changed["more"] = {stage["stage"]: {"loops": stage["loops"] + 1}}
    elif kind == "without" and "loop_vector" in stage:
        changed["bare"] = {stage["stage"]: {"without": ["loop_vector"]}}
    elif kind == "off" and len(graph) > 1 and ("inside" not in graph[1] or graph[0]["loops"] == 1):
        graph[1]["skip_trace"] = {"inject": 0.3}  # of one run a step
        changed["off"] = {graph[1]["stage"]: {"loops": 0}}
        pattern.insert(0, "off")
    return changed, pattern
