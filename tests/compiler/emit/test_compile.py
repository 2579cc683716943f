"""torch.compile takes every mode whole, once for each graph that the plan lists, and never again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_specs import group, plan_of, small
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.compiled import compile_modes
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graphs import CompiledGraph, compiled_graphs
from loopspec.compiler.plan import Plan

SPECS = Path(__file__).parents[3] / "specs"
NARROW = (
    "model.vocab_size=64",
    "model.dim=32",
    "train.sequence_length=16",
    "train.batch_tokens=32",
    "train.accumulation=1",
    "evaluate.stride=16",
)
INDUCTOR = {
    "frugendorff-6x2": ["blocks.core.attention.heads=2", "blocks.core.attention.kv_heads=1"],
    "micro-crawler-run8": [
        f"blocks.{name}.attention.{heads}" for name in ("flat", "crawler") for heads in ("heads=2", "kv_heads=1")
    ],
    "tied-15l": ["blocks.trunk.attention.heads=2", "blocks.trunk.attention.kv_heads=1"],
}


def sampled() -> Plan:
    """Loop counts as modes, drawn by training; firings with a gate and a state; a loss that only training has.

    Documents are kept apart, and activations are checkpointed.
    """
    awake = {"outputs": {"kind": "normal", "std": 0.2}}
    return plan_of(
        small(
            model={"vocab_size": 11, "dim": 16, "multi_token": {"heads": 1}, "documents": {"boundary_token": 1}},
            blocks={"core": group(1, init=awake)},
            graph=[
                {
                    "stage": "core",
                    "blocks": "core",
                    "loops": 2,
                    "loop_vector": {},
                    "checkpoint_activations": True,
                    "firing": {"kind": "parallel", "combine": {"kind": "ema_gate"}},
                },
            ],
            cadence=[{"sample": {"stage": "core", "loops": [1, 2], "distribution": "uniform"}}],
            train={"sequence_length": 8, "batch_tokens": 16, "stop": {"steps": 40}},
            evaluate={"stride": 4, "batch_windows": 2},
        )
    )


class Counter:
    """A backend of torch.compile that counts the graphs it is given."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        self.graphs += 1
        compiled: Callable[..., Any] = torch._dynamo.lookup_backend("aot_eager")(graph, inputs)
        return compiled


def run_graph(module: nn.Module, forward: Callable[..., Tensor], graph: CompiledGraph) -> Tensor:
    """One batch through one graph, with its backward pass where it trains."""
    tokens = torch.arange(graph.shape[0] * graph.shape[1]).reshape(graph.shape) % 11
    module.train(graph.entry == "training")
    if graph.entry == "training":
        loss = forward(tokens, tokens, mode=graph.mode)
        loss.backward()
        return loss.detach()
    with torch.no_grad():
        return forward(tokens, mode=graph.mode)


def test_the_plan_lists_every_graph_and_none_is_compiled_twice() -> None:
    torch._dynamo.reset()
    plan, counter = sampled(), Counter()
    module = build_module(plan, seed=1)
    graphs = compiled_graphs(plan)
    assert [(graph.mode, graph.entry) for graph in graphs] == [
        ("full", "training"),
        ("core_1", "training"),
        ("full", "logits"),
    ]
    forward = compile_modes(module, plan, backend=counter, dynamic=False)
    for graph in graphs:
        run_graph(module, forward, graph)
    assert counter.graphs == len(graphs)
    with torch.compiler.set_stance("fail_on_recompile"):
        for graph in (*reversed(graphs), *graphs):
            run_graph(module, forward, graph)
    assert counter.graphs == len(graphs)


@pytest.mark.torture  # inductor compiles for a minute
@pytest.mark.parametrize("name", INDUCTOR)
def test_inductor_runs_shipped_specs_in_every_mode(name: str) -> None:
    torch._dynamo.reset()
    plan = load_plan(SPECS / f"{name}.yaml", [*NARROW, *INDUCTOR[name]])
    module = build_module(plan, seed=1)
    forward = compile_modes(module, plan, dynamic=False)
    graphs = [CompiledGraph(mode, "training", (2, 16)) for mode in plan.modes]
    expected = [run_graph(module, module, graph) for graph in graphs]
    for graph, loss in zip(graphs, expected, strict=True):
        torch.testing.assert_close(run_graph(module, forward, graph), loss, rtol=1e-4, atol=1e-5)
    with torch.compiler.set_stance("fail_on_recompile"):
        for graph in (*graphs, *graphs):
            run_graph(module, forward, graph)
