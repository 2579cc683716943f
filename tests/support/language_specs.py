"""Random documents that the schema lets through, over every key of `blocks`, `graph` and `modes`; many have faults."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from loopspec.compiler.operations import FIRING_RULES
from loopspec.compiler.operations.sublayers import ACTIVATION_KEPT

from .tamed_specs import tame

Plain = dict[str, Any]
PARTS = (
    "attention",
    "attention_scale",
    "gain",
    "mlp",
    "mlp_scale",
    "recurrence_gate",
    "residual_mix",
    "token_gate",
    "value_scale",
)
MATRICES = ("attention.query", "attention.key", "attention.value", "attention.output", "mlp.gate", "mlp.up", "mlp.down")
FEATURES = (
    "auxiliary_loss",
    "between",
    "delta",
    "loop_vector",
    "position_vector",
    "skips",
    "value_embedding",
    "value_residual",
)
FAULTS = ["LS501", "LS502", "LS503", "LS504", "LS505", "LS506", "LS507", "LS509", "LS540"]
COMBINES = sorted(FIRING_RULES)
VECTORS: st.SearchStrategy[Plain] = st.sampled_from([{}, {"init": {"kind": "orthogonal"}, "dtype": "bfloat16"}])


def seldom(strategy: st.SearchStrategy[Any], share: int = 8) -> st.SearchStrategy[Any]:
    """A value in one of `share` draws, else None, which leaves the key out."""
    return st.integers(1, share).flatmap(lambda number: strategy if number == share else st.none())


def keys(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Plain]:
    """A mapping of the values that are not None."""
    return st.fixed_dictionaries(values).map(lambda drawn: {k: v for k, v in drawn.items() if v is not None})


def numbers(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, most), min_size=1, max_size=3, unique=True)


def wheres(positions: int, loops: int) -> st.SearchStrategy[Any]:
    inside, turns = numbers(positions - 1), numbers(loops - 1)
    chosen = st.fixed_dictionaries({"positions": inside, "loops": turns})
    bad = st.sampled_from([[positions], [0, 0], {"loops": [loops]}, ["2..1"], {"positions": [0, "0..1"]}])
    frequent = st.one_of(st.just("all"), inside, turns.map(lambda drawn: {"loops": drawn}), chosen)
    return st.integers(0, 15).flatmap(lambda number: bad if number == 0 else frequent)


def kept(where: Any) -> Any:
    """The same choice with `keep_shared`."""
    chosen = {} if where == "all" else where if isinstance(where, dict) else {"positions": where}
    return {**chosen, "keep_shared": True}


@st.composite
def attentions(draw: st.DrawFn) -> Plain:
    rope = st.one_of(
        st.none(),
        keys(
            dims=seldom(st.sampled_from([2, 4, 6])),
            ntk_reference=seldom(st.sampled_from([4, 64]), 3),
            ntk_exponent=seldom(st.just("head")),
            direction=seldom(st.just("forward")),
            dtype=seldom(st.just("bfloat16"), 4),
        ),
    )
    heads, kv_heads = draw(st.sampled_from([(2, 1), (2, 2), (4, 2), (2, 2), (8, 4), (4, 3), (2, 1), (2, 1)]))
    attention = draw(
        keys(
            query_rank=seldom(st.sampled_from([3, 16])),
            differential=seldom(st.just(True), 4),
            xsa=seldom(st.just(True), 4),
            qk_norm=seldom(st.just(False), 4),
        )
    )
    return attention | {
        "heads": heads,
        "kv_heads": kv_heads,
        "rope": draw(rope),
        "q_gain": draw(st.sampled_from([None, 1.5, 1.5])),
    }


@st.composite
def mlps(draw: st.DrawFn) -> Plain:
    mlp: Plain = {"activation": draw(st.sampled_from(sorted(ACTIVATION_KEPT)))}
    if draw(st.integers(0, 15)) == 0:
        mlp["negative_slope"] = 0.25
    return mlp | draw(st.sampled_from([{"ratio": 1}, {"hidden": 5}, {"ratio": 0.04}, {"ratio": 2}, {"hidden": 3}]))


@st.composite
def residuals(draw: st.DrawFn) -> Plain:
    kind = draw(st.sampled_from(["sequential", "sequential", "parallel", "bounded"]))
    plain: Plain = {"arrangement": {"kind": kind}}
    if kind == "bounded" and draw(st.integers(0, 7)):
        plain |= {"x0_mix": False, "branch_scale": False}
    else:
        plain |= {"x0_mix": draw(st.booleans()), "branch_scale": draw(st.booleans())}
    if kind != "bounded" or draw(st.integers(0, 7)) == 0:
        plain["token_gate"] = draw(st.booleans())
    return plain | draw(keys(norm_scale=seldom(st.sampled_from([{"index": "site"}, {"index": "first_use"}]), 4)))


@st.composite
def groups(draw: st.DrawFn, value_embedding: bool) -> Plain:
    count = draw(st.integers(1, 3))
    group: Plain = {
        "count": count,
        "attention": draw(attentions()),
        "mlp": draw(mlps()),
        "residual": draw(residuals()),
        "init": {"outputs": {"kind": "normal", "std": 0.2}},
    }
    if value_embedding:
        group["value_embedding"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        change = draw(
            st.sampled_from(
                [
                    {"attention": {"heads": 4}},
                    {"attention": {"q_gain": None}},
                    {"attention": {"kv_heads": 2}},
                    {"mlp": {"activation": "swiglu"}},
                    {"residual": {"branch_scale": False}},
                    {"residual": {"arrangement": {"kind": "bounded"}, "x0_mix": False, "branch_scale": False}},
                ]
            )
        )
        group["overrides"] = [{"blocks": [count - 1], **change}]
    return group


@st.composite
def paths(draw: st.DrawFn, count: int) -> tuple[Any, int]:
    """A path and its length."""
    steps = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=4))
    if draw(st.booleans()):
        return None, count
    return (list(range(count)) + steps, count + len(steps)) if draw(st.integers(0, 7)) else (steps, len(steps))


@st.composite
def firings(draw: st.DrawFn) -> Plain | None:
    if draw(st.integers(0, 3)):
        return None
    return {"kind": "parallel", "combine": {"kind": draw(st.sampled_from(COMBINES))}}


@st.composite
def stages(draw: st.DrawFn, name: str, group: str, count: int, earlier: list[str], value_embedding: bool) -> Plain:
    path, length = draw(paths(count))
    loops = draw(st.sampled_from([1, 2, 2, 3]))
    where = wheres(length, loops)
    private = where.flatmap(lambda chosen: st.sampled_from([chosen, chosen, kept(chosen)]))
    branches = keys(attention=seldom(where, 2), mlp=seldom(where, 2))
    stage = draw(
        keys(
            inside=seldom(st.sampled_from([*earlier, *earlier, "nothing"]), 3),
            firing=firings(),
            loop_vector=seldom(VECTORS, 3),
            position_vector=seldom(st.tuples(VECTORS, where).map(lambda pair: pair[0] | {"at": pair[1]})),
            skips=seldom(
                st.fixed_dictionaries(
                    {
                        "kind": st.just("unet"),
                        "scope": st.sampled_from(["pass", "path"]),
                        "gated": st.booleans(),
                    }
                ),
                2,
            ),
            between=seldom(st.sampled_from([{"kind": "rms_norm"}, {"kind": "bottleneck", "dim": 3}])),
            lanes=seldom(st.fixed_dictionaries({"start": st.integers(0, length)})),
            place=keys(
                xsa=seldom(where),
                value_embedding=seldom(where, 2) if value_embedding else st.none(),
            ),
            private=keys(**{part: seldom(private, 14) for part in PARTS}),
            delta=seldom(
                st.fixed_dictionaries(
                    {
                        "rank": st.sampled_from([1, 2, 2, 5]),
                        "matrices": st.lists(st.sampled_from(MATRICES), min_size=1, max_size=2, unique=True),
                        "at": where,
                    }
                )
            ),
            value_residual=seldom(st.fixed_dictionaries({"init": st.just(0.5), "at": where})),
            drop=seldom(branches),
            refire=seldom(branches),
            auxiliary_loss=seldom(
                st.one_of(
                    st.just({"kind": "learned"}),
                    st.integers(max(loops - 2, 1), loops).map(lambda size: {"kind": "fixed", "weights": [0.5] * size}),
                )
            ),
            backpropagate_loops=seldom(st.integers(1, 2)),
            skip_trace=seldom(st.just({})),
            checkpoint_activations=seldom(st.just(True), 3),
        )
    )
    return {"stage": name, "blocks": group, "path": path, "loops": loops, **stage}


@st.composite
def stage_modes(draw: st.DrawFn, count: int, length: int) -> Plain:
    extra = st.fixed_dictionaries({"times": st.integers(1, 2)}).flatmap(
        lambda start: st.sampled_from(
            [
                start | {"positions": [length - 1]},
                start | {"positions": [0], "stop_below": 0.5},
                start | {"blocks": [0, count - 1]},
                start | {"blocks": [count]},
                start,
            ]
        )
    )
    change = draw(
        keys(
            loops=seldom(st.integers(0, 4), 2),
            path=seldom(paths(count).map(lambda pair: pair[0]), 4),
            extra=seldom(extra, 4),
            without=seldom(st.lists(st.sampled_from(FEATURES), min_size=1, max_size=2, unique=True), 4),
        )
    )
    return change or {"loops": 1}


@st.composite
def documents(draw: st.DrawFn) -> Plain:
    """A document that passes the schema: one or two groups, one to three stages, up to two modes."""
    value_embedding = draw(st.booleans())
    blocks = {name: draw(groups(value_embedding)) for name in draw(st.sampled_from([["a"], ["a", "input"]]))}
    graph: list[Plain] = []
    for name in [*blocks, *draw(st.sampled_from([[], ["output"]]))]:
        group = name if name in blocks else "a"
        earlier = [stage["stage"] for stage in graph]
        graph.append(draw(stages(name, group, blocks[group]["count"], earlier, value_embedding)))
    modes = {}
    for name in draw(st.sampled_from([[], ["other"], ["single", "parameters"]])):
        chosen = draw(st.lists(st.sampled_from(graph), min_size=1, max_size=2, unique_by=lambda stage: stage["stage"]))
        modes[name] = {
            stage["stage"]: draw(
                stage_modes(
                    blocks[stage["blocks"]]["count"], len(stage["path"] or range(blocks[stage["blocks"]]["count"]))
                )
            )
            for stage in chosen
        }
    model: Plain = {"vocab_size": 11, "dim": 16}
    if value_embedding:
        model["value_embedding"] = {"dim": 4}
    if draw(st.integers(0, 5)) == 0:
        model["multi_token"] = {"heads": draw(st.sampled_from([1, 2, 8]))}
    if draw(st.integers(0, 3)) == 0:
        across = draw(st.lists(st.sampled_from(["ngram_hash", "smear_gate"]), max_size=1))
        model["documents"] = {"boundary_token": draw(st.integers(0, 12)), "across": across}
    trained = [mode for mode in modes if draw(st.booleans())]
    document = {
        "spec_version": 1,
        "name": "any",
        "model": model,
        "blocks": blocks,
        "graph": graph,
        "modes": modes,
        "cadence": [{"pattern": ["full", *trained]}],
        "activities": {"evaluate": next(iter(modes), "full")},
        # what is meant here is the graph: faults of training are left to other tests
        "expect": draw(st.sampled_from([FAULTS, FAULTS, []])),
        "train": {"sequence_length": 8, "batch_tokens": 8, "stop": {"steps": 30}},
        "evaluate": {"stride": 8},
    }
    return tame(document) if draw(st.integers(0, 7)) else document
