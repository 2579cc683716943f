"""Random valid specs, tiny, over the whole language (hypothesis strategies); stages and modes are in random_stages."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from support.random_stages import can_hold, modes, rarely, stages

from loopspec.compiler.operations.sublayers import ACTIVATION_KEPT

Plain = dict[str, Any]


@st.composite
def attentions(draw: st.DrawFn, dim: int, heads: int, kv_heads: int) -> Plain:
    width = dim // heads
    dims = draw(st.sampled_from([None, *[d for d in (4, 8) if d <= width and d % 2 == 0]]))
    reference = draw(st.sampled_from([None, 5]))
    rope: Plain | None = {"dims": dims, "base": 500.0, "ntk_reference": reference}
    rope |= {"direction": draw(st.sampled_from(["backward", "forward"]))}
    if reference is not None:
        rope |= {"ntk_exponent": draw(st.sampled_from(["dims", "head"]))}
    else:
        rope |= {"dtype": draw(st.sampled_from(["float32", "bfloat16"]))}
    rope = draw(st.sampled_from([None, rope, rope]))
    return {
        "query_rank": draw(st.sampled_from([None, None, 3])),
        "differential": draw(rarely()),
        "heads": heads,
        "kv_heads": kv_heads,
        "qk_norm": draw(st.booleans()),
        "q_gain": draw(st.sampled_from([None, 1.5])),
        "rope": rope,
        "xsa": draw(st.booleans()),
    }


@st.composite
def mlps(draw: st.DrawFn) -> Plain:
    activation = draw(st.sampled_from(sorted(ACTIVATION_KEPT)))
    slope = draw(st.sampled_from([None, 0.25])) if activation == "leaky_relu_squared" else None
    width = draw(st.sampled_from([{"ratio": 2}, {"ratio": 1.5}, {"hidden": 5}]))
    return {"activation": activation, "negative_slope": slope, **width}


@st.composite
def residuals(draw: st.DrawFn, count: int) -> Plain:
    index = draw(st.sampled_from(["block", "stored", "first_use", "site", "explicit"]))
    explicit = {"indices": [draw(st.integers(0, 9)) for _ in range(count)]} if index == "explicit" else {}
    scale: Plain = {"index": index, **explicit}
    kind = draw(st.sampled_from(["sequential", "sequential", "sequential", "parallel", "bounded"]))
    bounded = kind == "bounded"
    return {
        "x0_mix": not bounded and draw(st.booleans()),
        "branch_scale": not bounded and draw(st.booleans()),
        "norm_scale": draw(st.sampled_from([None, scale])),
        "arrangement": {"kind": kind},
        "token_gate": kind == "sequential" and draw(rarely()),
    }


@st.composite
def groups(draw: st.DrawFn, dim: int, heads: int, kv_heads: int) -> Plain:
    count = draw(st.integers(1, 4))
    group: Plain = {
        "count": count,
        "attention": draw(attentions(dim, heads, kv_heads)),
        "mlp": draw(mlps()),
        "residual": draw(residuals(count)),
        "init": {"outputs": {"kind": "normal", "std": 0.2}},
    }
    if draw(st.booleans()):
        blocks = draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
        group["overrides"] = [{"blocks": blocks, "attention": {"xsa": draw(st.booleans()), "qk_norm": False}}]
    return group


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
    """A whole spec. What excludes each other is drawn apart, so that every spec passes the rules."""
    dim, (heads, kv_heads) = 16, draw(st.sampled_from([(2, 1), (2, 2), (4, 2), (1, 1)]))
    names = draw(st.sampled_from([["core"], ["values", "x"], ["flat", "crawler"]]))
    blocks = {name: draw(groups(dim, heads, kv_heads)) for name in names}
    placed = draw(st.booleans())
    by_block = not placed and draw(st.booleans())
    if by_block:
        blocks[names[0]]["value_embedding"] = True
    graph = [draw(stages(f"{name}_stage", name, blocks[name], placed)) for name in names]
    if len(graph) > 1 and can_hold(graph[0], graph[1]) and draw(st.booleans()):
        graph[1]["inside"] = graph[0]["stage"]
    model: Plain = {
        "vocab_size": 11,
        "dim": dim,
        "norm_eps": draw(st.sampled_from([1e-6, 1.1920928955078125e-07])),
        "embedding": {"tied": draw(st.booleans()), "init": {"kind": "normal", "std": 1.0}},
        "input": draw(inputs()),
        "head": {"softcap": draw(st.sampled_from([None, 30.0]))},
    }
    if draw(rarely()):
        model["multi_token"] = {"heads": draw(st.integers(1, 2)), "init": {"kind": "normal", "std": 0.2}}
    if placed or by_block:
        model["value_embedding"] = {
            "dim": draw(st.sampled_from([3, kv_heads * (dim // heads)])),
            "table_init": {"kind": "normal", "std": 1.0},
        }
    if draw(st.booleans()):
        kinds = [layer["kind"] for layer in model["input"] if layer["kind"] != "rms_norm"]
        across = draw(st.lists(st.sampled_from(kinds), max_size=1)) if kinds else []
        model["documents"] = {"boundary_token": draw(st.integers(0, 10)), "across": across}
    changed, cadence = draw(modes(graph, blocks))
    return {
        "spec_version": 1,
        "name": "random",
        "model": model,
        "blocks": blocks,
        "graph": graph,
        "modes": changed,
        "cadence": [{"pattern": cadence}],
        "quantization": {"rules": [{"scheme": {"kind": "float16"}}]},
        "train": {
            "sequence_length": 8,
            "batch_tokens": 16,
            "stop": {"steps": 10},
            "label_smoothing": draw(st.sampled_from([0.0, 0.0, 0.1])),
            "penalties": {"z_loss": draw(st.sampled_from([0.0, 0.0, 0.01]))},
        },
        "evaluate": {"stride": 4},
    }
