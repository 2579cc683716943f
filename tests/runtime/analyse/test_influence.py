"""Streams of positions by port and by hooks on the emitted module, and exact figures of small cases."""

from __future__ import annotations

import math

import pytest
import torch
from support.probes import gated, looped
from support.small_specs import Plain, group, plan_of, small
from torch import Tensor, nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graph.model import Port
from loopspec.compiler.plan import Plan
from loopspec.runtime.analyse.batches import Batch
from loopspec.runtime.analyse.errors import AnalysisError
from loopspec.runtime.analyse.influence import Influence, influence_values, measure_influence
from loopspec.runtime.analyse.influence_json import influence_json
from loopspec.runtime.analyse.influence_plot import influence_svg
from loopspec.runtime.analyse.influence_streams import Ends, stream_ends
from loopspec.runtime.analyse.influence_text import influence_text

BARE = {"residual": {"x0_mix": False, "branch_scale": False}}


def _batches(count: int = 2, seed: int = 3) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 11, (count, 2, 9), generator=generator)
    return [(batch[:, :-1], batch[:, 1:]) for batch in tokens]


def _module(plan: Plan, spread: float = 0.3) -> nn.Module:
    """Random weights everywhere, so that nothing starts at zero."""
    module = build_module(plan, 1).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * spread)
    return module


def _measured(plain: Plain, mode: str = "full") -> Influence:
    plan = plan_of(plain)
    return measure_influence(plan, _module(plan), mode, _batches())


def _nested() -> Plain:
    return small(
        blocks={"core": group(4, **BARE), "bank": group(1, **BARE)},
        graph=[
            {"stage": "trunk", "blocks": "core", "skips": {"kind": "unet"}},
            {"stage": "bank", "blocks": "bank", "inside": "trunk", "loops": 2},
        ],
    )


def test_blocks_that_add_nothing_have_no_influence():
    plan = plan_of(small(blocks={"core": group(3)}))
    module = build_module(plan, 1).eval()  # outputs of attention and MLP start at zero
    with torch.no_grad():
        dict(module.named_parameters())["blocks.core.1.mlp.down"].fill_(0.1)
    rows = measure_influence(plan, module, "full", _batches()).positions
    assert [row.influence.mean == 0.0 for row in rows] == [True, False, True]
    assert [row.angle.mean == 0.0 for row in rows] == [True, False, True]
    assert rows[0].influence.deviation == 0.0 < rows[1].influence.deviation


def test_a_stream_that_turns_round():
    """The mix with x0 turns the first position's input, which is x0, into its opposite."""
    plan = plan_of(small(blocks={"core": group(1)}))
    module = build_module(plan, 1).eval()
    with torch.no_grad():
        dict(module.named_parameters())["blocks.core.0.residual_mix"].copy_(torch.tensor([[-2.0], [1.0]]))
    (row,) = measure_influence(plan, module, "full", _batches()).positions
    assert row.influence.mean == pytest.approx(2.0, abs=1e-12) and row.angle.mean == pytest.approx(1.0, abs=1e-7)


def _hooked(plan: Plan, module: nn.Module, batch: Batch, mode: str = "full") -> list[Tensor]:
    """What each position's attention reads: the entering stream but for its length, which no cosine sees."""
    seen: list[Tensor] = []
    parts = [part for name, part in module.named_modules() if type(part).__name__ == "Attention"]
    handles = [part.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for part in parts]
    with torch.no_grad():
        module(*batch, mode=mode)
    for handle in handles:
        handle.remove()
    assert len(seen) == len(plan.modes[mode].positions)
    return seen


@pytest.mark.parametrize("mode", ["full", "single"])
def test_the_emitted_module_has_the_same_streams(mode):
    """Without mix and skips what leaves a position enters the next one, so hooks on attention see both ends."""
    plan = plan_of(small(blocks={"core": group(3, **BARE)}, graph=[{"stage": "trunk", "blocks": "core", "loops": 2}]))
    module, (batch,) = _module(plan), _batches(1)
    rows = measure_influence(plan, module, mode, [batch]).positions
    streams = _hooked(plan, module, batch, mode)
    for row, before, after in zip(rows, streams, streams[1:], strict=False):
        cosines = torch.cosine_similarity(before.double(), after.double(), dim=-1)
        assert row.influence.mean == pytest.approx(float(1 - cosines.mean()), rel=1e-5)
        assert row.angle.mean == pytest.approx(float(cosines.arccos().mean()) / math.pi, rel=1e-5)


def test_nested_stages_and_skips():
    plan = plan_of(_nested())
    ends = stream_ends(plan, "full")
    blocks = [plan.positions[index].block for index in ends]
    assert blocks == ["core.0", "core.1", "bank.0", "bank.0", "core.2", "core.3"]
    for index in (1, 2, 3):
        assert ends[index].entering == ends[index - 1].leaving  # into the bank, and from loop to loop
    for index in (4, 5):  # a skip lies between
        (entering,) = ends[index].entering
        assert entering.site.endswith("/skip")
        assert plan.graph.inputs(entering.site, "full")["x"] == ends[index - 1].leaving[0]
    assert ends[5].leaving == (plan.graph.inputs("output/norm", "full")["x"],)
    assert stream_ends(plan, "single")[4].entering == ends[4].entering


def test_nested_streams_are_those_of_the_emitted_module():
    plan = plan_of(_nested())
    module, (batch,) = _module(plan), _batches(1)
    rows = measure_influence(plan, module, "full", [batch]).positions
    streams = _hooked(plan, module, batch)
    for index in (0, 1, 2):  # behind the others a skip changes the stream before it enters
        cosines = torch.cosine_similarity(streams[index].double(), streams[index + 1].double(), dim=-1)
        assert rows[index].influence.mean == pytest.approx(float(1 - cosines.mean()), rel=1e-5)


def test_loop_and_position_vectors_come_before_what_enters():
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "position_vector": {}}
    plan = plan_of(small(graph=[stage]))
    ends = stream_ends(plan, "full")
    assert ends[0].entering == (Port("trunk/core.0#0/position_vector"),)
    assert plan.graph.inputs("trunk/core.0#0/position_vector", "full")["x"] == Port("trunk/loop.0/vector")


@pytest.mark.parametrize(
    "stage",
    [
        {"drop": {"attention": [0], "mlp": [1]}},
        {"refire": {"attention": [0], "mlp": [1]}},
        {"lanes": {"start": 1}},
        {"drop": {"attention": [0], "mlp": [0]}},
    ],
)
@pytest.mark.parametrize("mixed", [True, False])
def test_other_shapes_of_positions(stage, mixed):
    plan = plan_of(
        small(
            blocks={"core": group(3, residual={"x0_mix": mixed})}, graph=[{"stage": "trunk", "blocks": "core"} | stage]
        )
    )
    ends = stream_ends(plan, "full")
    nothing = "drop" in stage and stage["drop"]["attention"] == stage["drop"]["mlp"]
    if nothing and not mixed:
        assert list(ends) == [1, 2]  # position 0 has no site
    elif "lanes" in stage:
        assert ends[1].entering == ends[0].leaving * 2 and ends[2].entering == ends[1].leaving
        merged = plan.graph.inputs("trunk/loop.0/merge_lanes", "full")
        assert ends[2].leaving == (merged["attention"], merged["mlp"])
    else:
        assert ends[1].entering == ends[0].leaving and ends[2].entering == ends[1].leaving
    rows = measure_influence(plan, _module(plan), "full", _batches()).positions
    assert all(row.influence.mean > 0 for row in rows)


def test_a_gate_with_nothing_to_gate():
    residual = {"x0_mix": False, "token_gate": True}
    stage = {"stage": "trunk", "blocks": "core", "drop": {"attention": [0], "mlp": [0]}}
    plan = plan_of(small(blocks={"core": group(2, residual=residual)}, graph=[stage]))
    assert stream_ends(plan, "full")[0] == Ends((), ())
    rows = measure_influence(plan, _module(plan), "full", _batches()).positions
    assert [row.influence.mean > 0 for row in rows] == [False, True]


def test_bounded_and_gated_blocks():
    plain = small(
        blocks={"core": group(2, residual={"x0_mix": False, "branch_scale": False, "arrangement": {"kind": "bounded"}})}
    )
    plan = plan_of(plain)
    assert stream_ends(plan, "full")[1].entering == (Port("trunk/core.0#0/bounded_update"),)
    gate = plan_of(small(blocks={"core": group(2, residual={"token_gate": True})}))
    assert stream_ends(gate, "full")[1].entering == (Port("trunk/core.0#0/token_gate"),)
    assert all(row.influence.mean > 0 for row in _measured(plain).positions)


@pytest.mark.parametrize("plain", [looped(), gated("reference_gate"), gated("mean")])
def test_every_position_of_every_mode_has_figures(plain):
    for mode in ("full", "single"):
        influence = _measured(plain, mode)
        assert [row.position.index for row in influence.positions] == list(influence.plan.modes[mode].positions)
        for row in influence.positions:
            assert 0 < row.influence.mean <= 2 and 0 < row.angle.mean <= 1 and row.batches == 2
        if mode == "full":
            assert influence_values(influence) == [row.influence.mean for row in influence.positions]


def test_extra_cycles_that_stop_early():
    extra = {"times": 3, "blocks": [0], "stop_below": 100.0}
    influence = _measured(small(modes={"deeper": {"trunk": {"extra": extra}}}), "deeper")
    assert [row.batches for row in influence.positions] == [2, 2, 2, 0, 0]
    assert influence.positions[-1].influence is None
    text = influence_text(influence, "w", "t")
    assert "  position 4 ran in 0 of 2 batches" in text
    with pytest.raises(AnalysisError, match="position 3 has no influence in mode deeper"):
        influence_values(influence)


def test_streams_without_a_direction_are_counted():
    plan = plan_of(small(blocks={"core": group(1, **BARE)}))
    module = build_module(plan, 1).eval()
    with torch.no_grad():
        dict(module.named_parameters())["token_embedding.weight"][4:] = 0.0
    batch = (torch.tensor([[1, 2, 5, 6]]), torch.tensor([[2, 5, 6, 1]]))
    influence = measure_influence(plan, module, "full", [batch])
    assert influence.positions[0].undirected == 2 and influence.positions[0].influence.mean == 0.0
    assert "position 0: 2 tokens left out, whose stream is zero" in influence_text(influence, "w", "t")


def test_weights_that_are_not_finite():
    plan = plan_of(small())
    module = build_module(plan, 1)
    with torch.no_grad():
        dict(module.named_parameters())["blocks.core.1.mlp.up"].fill_(math.inf)
        dict(module.named_parameters())["blocks.core.1.mlp.down"].fill_(1.0)
    with pytest.raises(AnalysisError, match="the stream at position 1 is not finite"):
        measure_influence(plan, module, "full", _batches())


def test_text_json_and_picture():
    influence = _measured(looped())
    text = influence_text(influence, "run: after step 3", "2 batches of 2 x 8 training tokens, seed 1")
    lines = text.splitlines()
    assert lines[0] == "influence of small, mode full" and max(map(len, lines)) <= 80
    largest = max(influence.positions, key=lambda row: row.influence.mean).position
    (longest,) = (line for line in lines if len(line) == 80 and line.endswith("#"))
    assert longest.split()[:4] == [str(largest.index), largest.stage, str(largest.loop), largest.block]
    value = influence_json(influence)
    assert [row["block"] for row in value["positions"]] == ["flat.0", "flat.1", "crawler.0", "crawler.0"]
    assert value["positions"][2]["influence"]["mean"] == influence.positions[2].influence.mean
    svg = influence_svg(influence)
    assert svg.count("<path ") == 8 and svg.count('fill="#228833"') == 4  # whiskers; the crawler's two positions, twice


def test_a_picture_of_nothing_and_of_many():
    plan = plan_of(small(blocks={"core": group(2)}, graph=[{"stage": "trunk", "blocks": "core", "loops": 40}]))
    influence = measure_influence(plan, build_module(plan, 1).eval(), "full", _batches(1))
    svg = influence_svg(influence)
    assert svg.count('height="0.0"') == 160 and svg.count('text-anchor="middle"') == 80
    assert influence_text(influence, "w", "t").splitlines()[-1].split()[-4:] == ["0.0000", "-", "0.0000", "-"]
