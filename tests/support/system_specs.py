"""The spec of a reference system of any size, and what of it runs."""

from __future__ import annotations

from typing import Any

from support.reference_block import FLOAT_EPS, Shape
from support.reference_cycle import SCALES, Cycle
from support.reference_ends import Ends
from support.reference_systems import Bank, Crawler, Frugendorff, System, Tied, last_of

Plain = dict[str, Any]
LENGTH = 16


def document(system: System) -> Plain:
    """The spec, as what its YAML text holds."""
    parts: Plain
    if isinstance(system, Frugendorff):
        parts = _frugendorff(system)
    elif isinstance(system, Crawler):
        parts = _crawler(system)
    elif isinstance(system, Bank):
        parts = _bank(system)
    elif isinstance(system, Tied):
        parts = _tied(system)
    else:
        assert isinstance(system, Cycle)
        parts = _cycle(system)
    expect = [*parts.pop("expect", []), *(["LS503"] if skips_nothing(system) else [])]
    train: Plain = {"sequence_length": LENGTH, "batch_tokens": LENGTH, "stop": {"steps": 10}}
    train |= {"label_smoothing": system.ends.smoothing}
    return {
        "spec_version": 1,
        "name": "reference",
        "model": model(system.ends),
        "train": train,
        "evaluate": {"stride": 4},
        "quantization": {"rules": [{"scheme": {"kind": "float16"}}]},  # the default refuses rows of one element
        "expect": expect,
        **parts,
    }


def skips_nothing(system: System) -> bool:
    """A U-Net of one position has no skips, which is an error that a spec may expect."""
    if isinstance(system, Frugendorff):
        return system.blocks == 1
    return (system.flats if isinstance(system, Crawler) else system.layers) == 1  # type: ignore[attr-defined]


def dead_stores(system: System) -> set[str]:
    """Stores that no pass reads."""
    if not isinstance(system, Cycle) or not (system.own_scales and system.kept):
        return set()
    return {f"blocks.trunk.{index}.{slot}" for index in range(system.unique) for slot in SCALES}


def evaluated_modes(system: System) -> tuple[str, ...]:
    """The modes that the reference defines, in an order that lets a later one see what earlier ones keep."""
    if isinstance(system, Crawler) and not system.inside and system.loops > 1:
        return ("single", "full", "single", "full") if system.gate == "ema" else ("single", "full")
    if isinstance(system, Cycle) and system.shape.ntk_of_head:
        return ("full", "repeat_1", "repeat_2")
    if isinstance(system, Cycle) and system.cycles:
        return ("full", "fixed_point")
    return ("full",)


def trained_modes(system: System) -> tuple[str, ...]:
    """The modes of consecutive training steps."""
    if isinstance(system, Bank):
        return ("without_bank", "full", "without_bank", "without_bank", "full", "without_bank")
    return tuple(mode for mode in evaluated_modes(system) if mode not in ("fixed_point", "repeat_2"))


def model(ends: Ends) -> Plain:
    inputs: list[Plain] = [{"kind": "rms_norm"}]
    if ends.smear:
        inputs.append({"kind": "smear_gate"})
    if ends.ngram is not None:
        order, buckets, dim = ends.ngram
        inputs.insert(0, {"kind": "ngram_hash", "order": order, "buckets": buckets, "dim": dim})
    plain: Plain = {"vocab_size": ends.vocab, "dim": ends.dim, "input": inputs}
    plain |= {"head": {"softcap": ends.softcap}, "embedding": {"tied": ends.tied}}
    if ends.eps != FLOAT_EPS:
        plain["norm_eps"] = ends.eps
    if ends.value_dim is not None:
        plain["value_embedding"] = {"dim": ends.value_dim}
    if ends.further_heads:
        plain["multi_token"] = {"heads": ends.further_heads}
    return plain


def group(count: int, shape: Shape, index: Plain | None = None) -> Plain:
    """A group of blocks, with the `norm_scale` of its residual."""
    rope: Plain = {"dims": shape.rope_dims, "ntk_reference": shape.ntk_reference}
    rope |= {"ntk_exponent": "head"} if shape.ntk_of_head else {}
    rope |= {"direction": "forward"} if shape.forward else {}
    attention: Plain = {"heads": shape.heads, "kv_heads": shape.kv_heads, "rope": rope}
    if shape.query_rank is not None:
        attention["query_rank"] = shape.query_rank
    activation: Plain = {"activation": "swiglu"} if shape.swiglu else {}
    if shape.slope:
        activation = {"activation": "leaky_relu_squared", "negative_slope": shape.slope}
    residual: Plain = {"norm_scale": index} if index is not None else {}
    residual |= {"token_gate": True} if shape.token_gate else {}
    return {"count": count, "attention": attention, "mlp": {"hidden": shape.hidden, **activation}, "residual": residual}


def by(system: Frugendorff | Crawler | Bank | Tied, kind: str, *indices: int) -> Plain | None:
    if not system.norm_scaled:
        return None
    return {"index": kind, "indices": list(indices)} if kind == "explicit" else {"index": kind}


def override(plain: Plain, blocks: list[int], change: Plain) -> None:
    if blocks:
        plain.setdefault("overrides", []).append({"blocks": blocks, **change})


def stage(name: str, positions: int, **keys: Any) -> Plain:
    """A stage of the group of its name, under a U-Net."""
    return {"stage": name, "blocks": name, "skips": {"kind": "unet"}, **keys}


def placed(values: tuple[int, ...]) -> Plain:
    return {"place": {"value_embedding": list(values)}} if values else {}


def _frugendorff(system: Frugendorff) -> Plain:
    core = group(system.blocks, system.shape, by(system, "block"))
    override(core, list(last_of(system.blocks, system.xsa_last)), {"attention": {"xsa": True}})
    override(core, list(system.values), {"value_embedding": True})
    loops = {"loops": system.loops, "loop_vector": {}} if system.loops > 1 else {}
    return {"blocks": {"core": core}, "graph": [{**stage("trunk", system.blocks, **loops), "blocks": "core"}]}


def _crawler(system: Crawler) -> Plain:
    indices = range(system.flats, system.flats + system.crawlers)
    by_use = None if system.inside else by(system, "first_use")  # inside, a crawler runs before later flat blocks
    flat = group(system.flats, system.flat, by_use or by(system, "block"))
    crawler = group(system.crawlers, system.crawler, by_use or by(system, "explicit", *indices))
    override(crawler, list(last_of(system.crawlers, system.xsa_last)), {"attention": {"xsa": True}})
    override(crawler, list(system.values), {"value_embedding": True})
    second: Plain = {"stage": "crawler", "blocks": "crawler"}
    if system.loops > 1:
        second |= {"loops": system.loops, "loop_vector": {"init": {"kind": "orthogonal", "gain": 0.01}}}
    if system.gate is not None:
        combine = {"kind": f"{system.gate}_gate"}
        combine |= {"update_in_evaluation": True} if system.gate == "ema" else {}  # type: ignore[dict-item]
        second["firing"] = {"kind": "parallel", "combine": combine}
    if system.inside:
        second["inside"] = "flat"
    plain: Plain = {"blocks": {"flat": flat, "crawler": crawler}, "graph": [stage("flat", system.flats), second]}
    if system.loops > 1 and not system.inside:
        plain["cadence"] = [{"pattern": ["single", "full"]}]
    return plain


def _bank(system: Bank) -> Plain:
    trunk = group(system.layers, system.shape, by(system, "block"))
    override(trunk, list(last_of(system.layers, system.xsa_last)), {"attention": {"xsa": True}})
    bank = group(1, system.bank, by(system, "explicit", system.layers // 2))
    inner = {"stage": "bank", "blocks": "bank", "inside": "trunk", "loops": system.loops, "skip_trace": {}}
    return {
        "blocks": {"trunk": trunk, "bank": bank},
        "graph": [stage("trunk", system.layers, **placed(system.values)), inner],
        "modes": {"without_bank": {"bank": {"loops": 0}}},
        "cadence": [{"pattern": ["full", "without_bank"]}],
    }


def _tied(system: Tied) -> Plain:
    trunk = group(max(system.block_map()) + 1, system.shape, by(system, "first_use"))
    override(trunk, sorted(system.flagged(system.xsa_last)), {"attention": {"xsa": True}})
    override(trunk, sorted(system.differential()), {"attention": {"differential": True}})
    keys = placed(system.values)
    if len(system.tied) > 1:
        keys["path"] = {"ties": {"positions": system.layers, "groups": [list(system.tied)]}}
    if system.value_residual and system.layers > 1:
        keys["value_residual"] = {"at": [f"1..{system.layers - 1}"]}
    return {"blocks": {"trunk": trunk}, "graph": [stage("trunk", system.layers, **keys)]}


def _cycle(system: Cycle) -> Plain:
    trunk = group(system.unique, system.shape)
    keys: Plain = {"path": {"cycle": system.layers}} if system.unique < system.layers else {}
    if system.own_scales:
        everywhere: Any = {"keep_shared": True} if system.kept else "all"
        keys["private"] = dict.fromkeys(SCALES, everywhere)
    if system.vectors:
        keys["position_vector"] = {}
    if system.bounded:
        trunk["residual"] = {"x0_mix": False, "branch_scale": False, "arrangement": {"kind": "bounded"}}
        keys["private"] = {"recurrence_gate": "all"}
    plain: Plain = {"blocks": {"trunk": trunk}, "graph": [stage("trunk", system.layers, **keys)]}
    return plain | ({"expect": ["LS504"]} if dead_stores(system) else {}) | _cycle_modes(system)


def _cycle_modes(system: Cycle) -> Plain:
    half, last = system.layers // 2, system.layers - 1
    if system.shape.ntk_of_head:
        again = {times: {"extra": {"positions": [f"{half}..{last}"], "times": times}} for times in (1, 2)}
        return {"modes": {f"repeat_{times}": {"trunk": change} for times, change in again.items()}}
    if not system.cycles:
        return {}
    extra: Plain = {"blocks": [f"0..{system.unique - 1}"], "times": system.cycles, "stop_below": system.stop_below}
    without = {"without": ["position_vector"]} if system.vectors else {}
    expect = {"expect": ["LS505"]} if system.own_scales else {}
    return {"modes": {"fixed_point": {"trunk": {**without, "extra": extra}}}, **expect}
