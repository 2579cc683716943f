"""torch.compile takes every mode whole, without a graph break."""

from __future__ import annotations

import pytest
import torch
from support.small_specs import group, plan_of, small

from loopspec.compiler.emit.loader import build_module


@pytest.mark.torture  # seven seconds, nearly all of them torch's own start
def test_both_modes_compile_as_one_graph_and_match_eager() -> None:
    plain = small(
        blocks={"core": group(1, init={"outputs": {"kind": "normal", "std": 0.2}})},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}}],
    )
    module = build_module(plan_of(plain), seed=1)
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    tokens = torch.tensor([[1, 2, 3, 4, 5]])
    losses = []
    for mode in ("full", "single"):
        losses.append(compiled(tokens, tokens, mode=mode))
        torch.testing.assert_close(losses[-1], module(tokens, tokens, mode=mode))
    assert losses[0] != losses[1]
