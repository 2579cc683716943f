"""Random valid specs, tiny, over the whole language (hypothesis strategies)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Plain = dict[str, Any]


@st.composite
def attentions(draw: st.DrawFn, dim: int, heads: int, kv_heads: int) -> Plain:
    width = dim // heads
    dims = draw(st.sampled_from([None, *[d for d in (4, 8) if d <= width and d % 2 == 0]]))
    rope = draw(
        st.sampled_from([None, {"dims": dims, "base": 500.0, "ntk_reference": draw(st.sampled_from([None, 5]))}])
    )
    return {
        "heads": heads,
        "kv_heads": kv_heads,
        "qk_norm": draw(st.booleans()),
        "q_gain": draw(st.sampled_from([None, 1.5])),
        "rope": rope,
        "xsa": draw(st.booleans()),
    }


@st.composite
def mlps(draw: st.DrawFn) -> Plain:
    activation = draw(st.sampled_from(["relu_squared", "leaky_relu_squared"]))
    slope = draw(st.sampled_from([None, 0.25])) if activation == "leaky_relu_squared" else None
    width = draw(st.sampled_from([{"ratio": 2}, {"ratio": 1.5}, {"hidden": 5}]))
    return {"activation": activation, "negative_slope": slope, **width}


@st.composite
def groups(draw: st.DrawFn, dim: int, heads: int, kv_heads: int) -> Plain:
    count = draw(st.integers(1, 4))
    index = draw(st.sampled_from(["block", "first_use", "site", "explicit"]))
    scale: Plain = {
        "index": index,
        **({"indices": [draw(st.integers(0, 9)) for _ in range(count)]} if index == "explicit" else {}),
    }
    group: Plain = {
        "count": count,
        "attention": draw(attentions(dim, heads, kv_heads)),
        "mlp": draw(mlps()),
        "residual": {
            "x0_mix": draw(st.booleans()),
            "branch_scale": draw(st.booleans()),
            "norm_scale": draw(st.sampled_from([None, scale])),
        },
        "init": {"outputs": {"kind": "normal", "std": 0.2}},
    }
    if draw(st.booleans()):
        blocks = draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
        group["overrides"] = [
            {
                "blocks": blocks,
                "attention": {"xsa": draw(st.booleans())},
                "residual": {"branch_scale": draw(st.booleans())},
            }
        ]
    return group


@st.composite
def paths(draw: st.DrawFn, count: int) -> Any:
    """A path that runs every block of the group."""
    kind = draw(st.sampled_from(["identity", "list", "cycle", "sequence", "repeat", "ties"]))
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
def stages(draw: st.DrawFn, name: str, group: str, count: int, value_embedding: bool) -> Plain:
    loops = draw(st.integers(1, 3))
    path = draw(paths(count))
    init = draw(st.sampled_from([{"kind": "normal", "std": 0.5}, {"kind": "orthogonal", "gain": 0.5}]))
    stage: Plain = {
        "stage": name,
        "blocks": group,
        "path": path,
        "loops": loops,
        "loop_vector": {"init": init} if loops > 1 and draw(st.booleans()) else None,
        "skips": {"kind": "unet", "scope": draw(st.sampled_from(["pass", "path"]))}
        if count > 1 and draw(st.booleans())
        else None,
    }
    if value_embedding:
        places = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=2, unique=True))
        stage["place"] = {"value_embedding": places}
    return stage


@st.composite
def inputs(draw: st.DrawFn) -> list[Plain]:
    layers: list[Plain] = []
    for order in draw(st.lists(st.sampled_from([2, 3]), max_size=2, unique=True)):
        layers.append(
            {
                "kind": "ngram_hash",
                "order": order,
                "buckets": 7,
                "dim": draw(st.sampled_from([3, 16])),
                "table_init": {"kind": "normal", "std": 1.0},
            }
        )
    layers += draw(
        st.sampled_from(
            [
                [],
                [{"kind": "rms_norm"}],
                [{"kind": "rms_norm"}, {"kind": "smear_gate"}],
                [{"kind": "smear_gate"}, {"kind": "rms_norm"}],
            ]
        )
    )
    return layers


@st.composite
def specs(draw: st.DrawFn) -> Plain:
    """A whole resolved-able spec."""
    dim, (heads, kv_heads) = 16, draw(st.sampled_from([(2, 1), (2, 2), (4, 2), (1, 1)]))
    names = draw(st.sampled_from([["core"], ["values", "x"], ["flat", "crawler"]]))
    blocks = {name: draw(groups(dim, heads, kv_heads)) for name in names}
    placed = draw(st.booleans())
    by_block = not placed and draw(st.booleans())
    if by_block:
        blocks[names[0]]["value_embedding"] = True
    graph = [draw(stages(f"{name}_stage", name, blocks[name]["count"], placed)) for name in names]
    loops = any(stage["loops"] > 1 for stage in graph)
    model: Plain = {
        "vocab_size": 11,
        "dim": dim,
        "norm_eps": draw(st.sampled_from([1e-6, 1.1920928955078125e-07])),
        "embedding": {"tied": draw(st.booleans()), "init": {"kind": "normal", "std": 1.0}},
        "input": draw(inputs()),
        "head": {"softcap": draw(st.sampled_from([None, 30.0]))},
    }
    if placed or by_block:
        model["value_embedding"] = {
            "dim": draw(st.sampled_from([3, kv_heads * (dim // heads)])),
            "table_init": {"kind": "normal", "std": 1.0},
        }
    return {
        "spec_version": 1,
        "name": "random",
        "model": model,
        "blocks": blocks,
        "graph": graph,
        "cadence": [{"pattern": draw(st.sampled_from([["full"], ["single", "full"]])) if loops else ["full"]}],
        "quantization": {"rules": [{"scheme": {"kind": "float16"}}]},
        "train": {"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 10}},
        "evaluate": {"stride": 4},
    }
