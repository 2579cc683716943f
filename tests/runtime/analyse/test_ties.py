"""Candidates by the criterion, tied documents, and what planning them says."""

from __future__ import annotations

import copy
from itertools import combinations, islice
from statistics import mean

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st
from support.examples import examples
from support.random_specs import specs
from support.small_specs import Plain, group, plan_of, small

from loopspec.compiler import load_plan
from loopspec.compiler.check import SpecError, plan_resolved
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.spec.ranges import expand_path
from loopspec.runtime.analyse.errors import AnalysisError
from loopspec.runtime.analyse.ties import Tie, tie_candidates
from loopspec.runtime.analyse.ties_document import compact_path, tied_document
from loopspec.runtime.analyse.ties_plan import plan_tie, propose
from loopspec.runtime.analyse.ties_text import proposals_json, proposals_text
from loopspec.runtime.pipeline.packing import encode_stores
from loopspec.runtime.pipeline.store_sources import store_sources


def _candidates(plan: Plan, influences: list[float], smallest: int = 2, *, contiguous: bool = False) -> list[Tie]:
    return list(tie_candidates(plan, dict(enumerate(influences)), smallest, contiguous=contiguous))


def _tie(plan: Plan, group_name: str, *blocks: int) -> Tie:
    names = {f"{group_name}.{block}" for block in blocks}
    influences = {position.index: float(position.block not in names) for position in plan.positions}
    found = tie_candidates(plan, influences, len(blocks), contiguous=False)
    return next(tie for tie in found if (tie.group, tie.blocks) == (group_name, blocks))


def test_the_criterion():
    plan = plan_of(small(blocks={"core": group(3)}, graph=[{"stage": "trunk", "blocks": "core", "loops": 2}]))
    found = _candidates(plan, [0.1, 0.4, 0.2, 0.3, 0.2, 0.2])  # by block 0.2, 0.3, 0.2
    assert [(tie.blocks, tie.contiguous) for tie in found] == [
        ((0, 2), False),
        ((0, 1, 2), True),
        ((0, 1), True),
        ((1, 2), True),
    ]
    assert [tie.influence for tie in found] == pytest.approx([0.2, 0.7 / 3, 0.25, 0.25])
    assert found[2].positions == (0, 1, 3, 4)
    assert [tie.blocks for tie in _candidates(plan, [0.1] * 6, 3)] == [(0, 1, 2)]
    runs = _candidates(plan, [0.1, 0.4, 0.2, 0.3, 0.2, 0.2], contiguous=True)
    assert [tie.blocks for tie in runs] == [(0, 1, 2), (0, 1), (1, 2)]


@given(st.lists(st.integers(0, 20), min_size=2, max_size=7), st.integers(2, 3))
@examples(12)
def test_lazy_ranking_agrees_with_trying_all(values, smallest):
    plan = plan_of(small(blocks={"core": group(len(values))}))
    sizes = range(smallest, len(values) + 1)
    every = [
        mean(values[block] for block in blocks) for size in sizes for blocks in combinations(range(len(values)), size)
    ]
    found = _candidates(plan, [float(value) for value in values], smallest)
    assert [tie.influence for tie in found] == pytest.approx(sorted(every))
    assert len({tie.blocks for tie in found}) == len(every)


def test_only_equal_blocks_of_a_group_share():
    wide = {"blocks": [2], "mlp": {"ratio": 3}}
    exclusive = {"blocks": [1], "attention": {"xsa": True}}
    plan = plan_of(small(blocks={"core": group(4, overrides=[wide, exclusive]), "other": group(1)}))
    assert {tie.blocks for tie in _candidates(plan, [0.1] * 4)} == {(0, 1), (0, 3), (1, 3), (0, 1, 3)}
    # a mode that runs blocks off the path could not place exclusive attention
    modes = {"deeper": {"trunk": {"extra": {"times": 1, "blocks": [1]}}}}
    plan = plan_of(small(blocks={"core": group(4, overrides=[wide, exclusive])}, modes=modes))
    assert {tie.blocks for tie in _candidates(plan, [0.1] * 4)} == {(0, 3)}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_a_compact_path_means_the_same(path):
    assert expand_path(compact_path(tuple(path)), 10) == tuple(path)


def test_the_published_tie():
    """PR 857: 36,440,188 parameters untied, 26,994,780 with positions 9 to 13 tied."""
    plain = copy.deepcopy(load_plan(shipped_specs()["tied-15l.yaml"]).spec.plain)
    trunk, stage = plain["blocks"]["trunk"], plain["graph"][0]
    trunk["count"], stage["path"] = 15, None
    trunk["overrides"] = [{"blocks": ["11..14"], "attention": {"xsa": True}}]
    plan = plan_resolved(plain, "untied")
    assert plan.parameters == 36_440_188
    proposal = plan_tie(plan, _tie(plan, "trunk", 9, 10, 11, 12, 13))
    assert proposal.plan.parameters == 26_994_780 and proposal.tie.contiguous
    assert proposal.parameters_saved == 36_440_188 - 26_994_780
    assert proposal.bytes_saved == plan.size.predicted_bytes - proposal.plan.size.predicted_bytes > 3_900_000
    (tied,) = proposal.plan.spec.plain["graph"]
    assert tied["path"] == ["0..8", "9 x 5", 10] and tied["place"] == {"value_embedding": [9, 10], "xsa": ["11..13"]}
    features = [position.features for position in plan.positions]
    assert [position.features for position in proposal.plan.positions] == features


def test_norm_scales_by_number_stay():
    core = group(4, residual={"norm_scale": {"index": "block"}})
    later = group(1, residual={"norm_scale": {"index": "stored"}})
    stages = [{"stage": "trunk", "blocks": "core"}, {"stage": "end", "blocks": "later"}]
    plan = plan_of(small(blocks={"core": core, "later": later}, graph=stages))
    tied = plan_tie(plan, _tie(plan, "core", 1, 2)).plan
    assert _norm_scales(tied) == [_norm_scales(plan)[index] for index in (0, 1, 1, 3, 4)]
    explicit = copy.deepcopy(tied.spec.plain)
    assert explicit["blocks"]["core"]["residual"]["norm_scale"] == {"index": "explicit", "indices": [0, 1, 3]}
    again = plan_tie(tied, _tie(tied, "core", 1, 2)).plan
    assert _norm_scales(again) == [_norm_scales(plan)[index] for index in (0, 1, 1, 1, 4)]


def _norm_scales(plan: Plan) -> list[float]:
    sites = [plan.graph.site(name) for name in plan.modes["full"].sites]
    return [site.attribute("scale") for site in sites if site.id.endswith("/mlp_norm")]


def test_overrides_modes_and_rules_follow_their_blocks():
    scheme, other = {"kind": "float32"}, {"kind": "float16"}
    rules = [{"match": {"name": "blocks.core.3.attention.key"}, "scheme": scheme}, {"scheme": other}]
    overrides = [{"blocks": [0], "mlp": {"ratio": 3}}, {"blocks": ["2..3"], "attention": {"q_gain": 1.5}}]
    plan = plan_of(
        small(
            blocks={"core": group(5, overrides=overrides)},
            graph=[{"stage": "trunk", "blocks": "core", "path": [0, 1, 4, 2, 3]}],
            modes={"short": {"trunk": {"path": [1, 4, 3]}}, "long": {"trunk": {"extra": {"times": 1, "blocks": [4]}}}},
            quantization={"rules": rules},
        )
    )
    document = tied_document(plan, _tie(plan, "core", 1, 4))
    core = document["blocks"]["core"]
    assert core["count"] == 4 and [item["blocks"] for item in core["overrides"]] == [[0], [2, 3]]
    assert document["graph"][0]["path"] == [0, "1 x 2", 2, 3]
    assert document["modes"]["short"]["trunk"]["path"] == ["1 x 2", 3]
    assert document["modes"]["long"]["trunk"]["extra"]["blocks"] == [1]
    assert document["quantization"]["rules"][0]["match"]["name"] == "blocks.core.3.attention.key"
    plan_tie(plan, _tie(plan, "core", 1, 4))
    with pytest.raises(AnalysisError, match=r"rules by name give blocks\.core\.2\.attention\.key"):
        plan_tie(plan, _tie(plan, "core", 2, 3))  # the rule's block is gone, and its scheme with it


def test_what_is_refused_is_told():
    rules = [
        {"match": {"name": "blocks.core.1.*"}, "scheme": {"kind": "float16"}},
        {"scheme": {"kind": "float32"}},
    ]
    plan = plan_of(small(blocks={"core": group(3)}, quantization={"rules": rules}))
    found = propose(plan, _candidates(plan, [0.1, 0.1, 0.3]), 3)
    assert [item.tie.blocks for item in found.proposals] == [(0, 2)] and found.exhausted
    assert {tie.blocks for tie, _ in found.refused} == {(0, 1), (1, 2), (0, 1, 2)}
    text = proposals_text(found, 3)
    assert "1 of the 3 that were asked for: there are no more" in text and "left out core.0..1: rules by name" in text
    assert max(map(len, text.splitlines())) <= 80
    value = proposals_json(found)
    assert value["proposals"][0]["parameters_saved"] == found.proposals[0].parameters_saved
    assert len(value["refused"]) == 3


def test_plan_module_and_artifact_agree():
    plan = plan_of(small(blocks={"core": group(4)}))
    tied = plan_tie(plan, _tie(plan, "core", 1, 3)).plan
    module = build_module(tied, 1)
    stored = encode_stores(tied, dict(module.named_parameters()))
    assert sum(value.numel() for value in module.parameters()) == tied.parameters
    assert list(stored) == [store.name for store in tied.exported_stores]
    assert [position.block for position in tied.positions] == ["core.0", "core.1", "core.2", "core.1"]


@given(specs(), st.randoms(use_true_random=False))
@examples(3, phases=[Phase.explicit, Phase.generate])
def test_ties_of_any_spec(plain: Plain, random):
    plan = plan_of(plain)
    influences = {position.index: random.random() for position in plan.positions}
    for tie in islice(tie_candidates(plan, influences, 2, contiguous=False), 2):
        document = tied_document(plan, tie)
        try:
            tied = plan_resolved(document, "tied")
        except SpecError as error:  # as the untied one
            with pytest.raises(SpecError):
                plan_resolved(plan.spec.plain, "untied")
            assert "LS" in str(error)
            continue
        assert [(item.stage, item.loop) for item in tied.positions] == [
            (item.stage, item.loop) for item in plan.positions
        ]
        assert [{*item.features} for item in tied.positions] == [{*item.features} for item in plan.positions]
        assert all(store_sources(tied, plan)[store.name] for store in tied.stores if "full" in store.modes)
        assert tied.parameters < plan.parameters
