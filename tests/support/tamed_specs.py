"""Takes out of a random document what the rules would refuse most often, so that many documents run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Plain = dict[str, Any]
BAD_WHERES = ([0, 0], ["2..1"], {"positions": [0, "0..1"]})


def tame(document: Plain) -> Plain:
    """The document, changed in place and returned."""
    placed = any("value_embedding" in stage.get("place", {}) for stage in document["graph"])
    for number, group in enumerate(document["blocks"].values()):
        _group(group)
        if document["model"].get("value_embedding") and not placed:
            group["value_embedding"] = number == 0 or group["value_embedding"]
        elif "value_embedding" in group:
            group["value_embedding"] = False
    earlier: dict[str, Plain] = {}
    for stage in document["graph"]:
        _stage(stage, document["blocks"][stage["blocks"]], earlier)
        earlier[stage["stage"]] = stage
    if "documents" in document["model"]:
        document["model"]["documents"] = {"boundary_token": 1}
    learned = [stage for stage in document["graph"] if stage.get("auxiliary_loss") == {"kind": "learned"}]
    for stage in learned[1:]:
        del stage["auxiliary_loss"]
    if document["model"].get("multi_token", {}).get("heads") == 8:
        document["model"]["multi_token"]["heads"] = 7
    _modes(document, earlier)
    return document


def _group(group: Plain) -> None:
    attention, mlp, residual = group["attention"], group["mlp"], group["residual"]
    attention["heads"], attention["kv_heads"] = (4, 2) if attention["heads"] == 4 else (2, 1)
    rope = attention["rope"] or {}
    for key in ("ntk_exponent", "dims"):
        if (key in rope and rope.get("ntk_reference") is None) or rope.get(key) == 6:
            del rope[key]
    if rope.get("dims") == 2:
        del rope["dims"]
    mlp.pop("negative_slope", None)
    if mlp.get("ratio") == 0.04:
        mlp["ratio"] = 1
    if residual["arrangement"]["kind"] == "bounded":
        residual.update(x0_mix=False, branch_scale=False, token_gate=False)
    for override in group.get("overrides", []):
        if "attention" in override:
            override["attention"] = {"xsa": True}


def _stage(stage: Plain, group: Plain, earlier: dict[str, Plain]) -> None:
    length = len(stage["path"] or range(group["count"]))
    outer = earlier.get(stage.get("inside", ""), {})
    if outer.get("skips", {}).get("scope") != "pass" and not (outer.get("skips") and outer["loops"] == 1):
        stage.pop("inside", None)
    _loops(stage, length)
    _parts(stage, group)
    _branches(stage, group, length)
    for section in ("place", "private", "drop", "refire"):
        for key, value in stage.get(section, {}).items():
            stage[section][key] = _where(value, length, stage["loops"])
    for section in ("position_vector", "delta", "value_residual"):
        if section in stage:
            stage[section]["at"] = _where(stage[section]["at"], length, stage["loops"])
    if "inside" in stage and outer.get("loops", 1) > 1:
        stage.pop("skip_trace", None)


def _loops(stage: Plain, length: int) -> None:
    combine = stage.get("firing", {}).get("combine", {}).get("kind")
    if stage["loops"] == 1:
        _remove(stage, "firing", "loop_vector", "between", "auxiliary_loss", "backpropagate_loops")
    elif combine:
        stage.setdefault("loop_vector", {})
        _remove(stage, "between", "auxiliary_loss", "backpropagate_loops")
        if combine.endswith("gate"):
            stage["loops"] = 2
        if "skips" in stage:
            stage["skips"]["scope"] = "pass"
        if combine == "last":
            _remove(stage, "place", "private", "drop", "refire", "position_vector", "delta", "value_residual")
    if stage.get("auxiliary_loss", {}).get("kind") == "fixed":
        stage["auxiliary_loss"]["weights"] = [0.5] * (stage["loops"] - 1)
    if stage.get("backpropagate_loops", 0) >= stage["loops"]:
        del stage["backpropagate_loops"]
    if length == 1:
        _remove(stage, "skips", "value_residual")


def _parts(stage: Plain, group: Plain) -> None:
    residual = group["residual"]
    has: dict[str, bool] = {
        "attention_scale": residual["branch_scale"],
        "mlp_scale": residual["branch_scale"],
        "residual_mix": residual["x0_mix"],
        "gain": group["attention"]["q_gain"] is not None and "attention" not in stage.get("private", {}),
        "value_scale": group.get("value_embedding", False),
        "recurrence_gate": residual["arrangement"]["kind"] == "bounded",
        "token_gate": residual.get("token_gate", False),
    }
    keep: Callable[[str], bool] = lambda part: has.get(part, True)  # noqa: E731
    stage["private"] = {part: value for part, value in stage.get("private", {}).items() if keep(part)}
    if stage["private"]:
        group["overrides"] = []
    if group["attention"].get("xsa"):
        stage.get("place", {}).pop("xsa", None)
    if "delta" in stage and group["mlp"]["activation"] != "swiglu":
        matrices = [matrix for matrix in stage["delta"]["matrices"] if matrix != "mlp.gate"]
        stage["delta"]["matrices"] = matrices or ["mlp.up"]


def _branches(stage: Plain, group: Plain, length: int) -> None:
    residual = group["residual"]
    plain = residual["arrangement"]["kind"] == "sequential" and not group.get("overrides")
    if not plain or "drop" in stage:
        _remove(stage, "refire")
    if not plain:
        _remove(stage, "drop", "lanes")
    if len(stage.get("drop", {})) == 2:
        del stage["drop"]["mlp"]
    if "drop" in stage:
        _remove(stage, "delta", "value_residual", "private", "place")
    if "lanes" in stage:
        _remove(stage, "drop", "refire", "position_vector")
        stage["lanes"]["start"] = min(stage["lanes"]["start"], length - 1)
        if residual.get("token_gate"):
            del stage["lanes"]
        elif "skips" in stage:
            stage["skips"]["scope"] = "pass"
            stage["lanes"]["start"] = max(stage["lanes"]["start"], length // 2)


def _where(value: Any, length: int, loops: int) -> Any:
    if value in BAD_WHERES or value == [length]:
        return [0]
    if isinstance(value, dict) and "loops" in value and max(value["loops"]) >= loops:
        return {**value, "loops": [0]}
    return value


def _modes(document: Plain, stages: dict[str, Plain]) -> None:
    for name, mode in document["modes"].items():
        for stage, change in mode.items():
            plain = stages[stage]
            features = [feature for feature in change.get("without", []) if feature in plain]
            change["without"] = features or ["loop_vector"]
            if not features and "loop_vector" not in plain:
                del change["without"]
            if change.get("loops", 1) > plain["loops"] and set(plain) & LOOP_BOUND:
                change["loops"] = plain["loops"]
            if "firing" in plain:
                change.pop("extra", None)
                change["loops"] = min(change.get("loops", 1), 2)
            if change.get("loops") == 0:
                _remove(change, "path", "extra", "without")
            if "extra" in change and len(change["extra"]) == 1:
                change["extra"]["blocks"] = [0]
            if "extra" in change and name in document["cadence"][0]["pattern"]:
                change["extra"].pop("stop_below", None)
            if "path" in change and set(plain) & {"lanes", "value_residual"}:
                del change["path"]
            if not change:
                change["path"] = [0, 0, 0]


LOOP_BOUND = {"loop_vector", "skips", "lanes", "auxiliary_loss", "position_vector", "delta", "value_residual"}


def _remove(plain: Plain, *names: str) -> None:
    for name in names:
        plain.pop(name, None)
