"""Which tensor the optimizers of each published system train, and at which rates, is what the plan of its spec says."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from dataclasses import replace

import pytest
from support.golden_systems import GOLDENS, crawler
from support.goldens import GOLDEN, Golden

from loopspec.compiler import load_plan
from loopspec.compiler.plan import UNASSIGNED, Plan

COVERAGE = json.loads((GOLDEN / "optimizer_coverage.json").read_text())
BY_VECTORS = {golden.vectors: golden for golden in GOLDENS}


def _with(golden: Golden, *sets: str, names: tuple[tuple[str, str], ...] = ()) -> Golden:
    return replace(golden, sets=(*golden.sets, *sets), names=(*golden.names, *names))


_REST = "{match: {name: 'blocks.*'}, to: declared}, {match: {name: 'token_embedding.*'}, to: declared}"
_TIED_ASSIGN = ", ".join(
    [
        _REST,
        *(f"{{match: {{name: '{name}.*'}}, to: declared}}" for name in ("value_embedding", "ngram_hash_2")),
        *(
            f"{{match: {{name: '{name}*'}}, to: declared}}"
            for name in ("smear_gate.gate", "stages.*.skip_weight", "stages.*.value_scale")
        ),
    ]
)
_EXPERIMENT_RATES = {"matrices": ("muon", 0.04, 0.02), "embeddings": ("adamw", 0.05, 0), "scalars": ("adamw", 0.04, 0)}
SYSTEMS = {
    "pr498": BY_VECTORS["pr498_frugendorff"],
    "run1": BY_VECTORS["crawler_run1_sequential"],
    "run3": BY_VECTORS["crawler_run3_selfref"],
    "run6": crawler("crawler_run3_selfref", "micro-crawler-run6"),
    "run8": BY_VECTORS["crawler_run8_pd_bidir"],
    "h4": BY_VECTORS["crawler_run1_sequential"],  # the script of the arms, with the bottleneck off
    "gs7_bank": BY_VECTORS["gs7_crawler_bank"],
    "pr857_all_flags": _with(
        BY_VECTORS["pr857_tied"],
        "blocks.trunk.attention.differential=true",
        "graph.0.value_residual={}",
        f"train.assign=[{_TIED_ASSIGN}]",
        "expect=[LS520, LS523]",
        names=(
            (r"stages\.trunk\.value_residual\.(\d+)", r"vres_scales.\1"),
            (r"blocks\.trunk\.(\d)\.attention\.mix", r"_unique_blocks.\1.attn.diff_lam_proj.weight"),
        ),
    ),
    "sub167_pls": BY_VECTORS["pr167_sub_shared_pls"],
    "exp167_all": _with(
        BY_VECTORS["pr167_exp"],
        *(
            f"train.optimizer.{group}={{kind: {kind}, lr: {lr}, weight_decay: {decay}}}"
            for group, (kind, lr, decay) in _EXPERIMENT_RATES.items()
        ),
        "train.assign=[{match: {name: 'ngram_hash_2.table'}, to: matrices}, {to: declared}]",
    ),
    "baseline": BY_VECTORS["baseline"],
}


def numbered(name: str) -> str:
    """`blocks.N.attn.c_q.weight`, whole stacks of tensors, as the recording has it."""
    return re.sub(r"\.\d+(?=\.|$)", ".N", name.partition("@")[0])


def planned(plan: Plan, golden: Golden) -> tuple[dict[tuple[str, float, float], set[str]], set[str]]:
    """Recorded names by kind, learning rate and weight decay of what trains them, and those that nothing trains."""
    groups: dict[tuple[str, float, float], set[str]] = defaultdict(set)
    untrained = set()
    for store in plan.stores:
        name = numbered(golden.recorded_name(store.name))
        if store.group == UNASSIGNED:
            untrained.add(name)
        else:
            options = plan.spec.train.optimizer[store.group]
            groups[options.kind, options.lr, options.weight_decay].add(name)
    return dict(groups), untrained


def recorded(system: str, golden: Golden) -> tuple[dict[tuple[str, float, float], set[str]], set[str]]:
    """The same, of the recording; Adam without decay is AdamW without decay."""
    groups = {}
    for label, names in COVERAGE[system]["groups"].items():
        kind, lr, decay = ast.literal_eval(label)
        alive = {numbered(name) for name in names} - {numbered(name) for name in _dead(names, golden)}
        groups["muon" if kind == "Muon" else "adamw", lr, decay or 0.0] = alive
    return groups, {numbered(name) for name in COVERAGE[system]["missing"]}


def _dead(names: list[str], golden: Golden) -> list[str]:
    """Recorded tensors that no forward pass reads, for which a spec of ours has no store."""
    patterns = [pattern.replace(r"\d", "N") for pattern in golden.dead]
    return [name for name in names if any(re.fullmatch(pattern, name) for pattern in patterns)]


@pytest.mark.parametrize("system", COVERAGE)
def test_every_tensor_is_where_the_published_run_had_it(system: str) -> None:
    golden = SYSTEMS[system]
    assert COVERAGE[system]["duplicates"] == []
    plan = load_plan(golden.spec, golden.sets)
    assert planned(plan, golden) == recorded(system, golden)


def test_systems_are_those_of_the_recording() -> None:
    assert SYSTEMS.keys() == COVERAGE.keys()
    assert sum(len(entry["missing"]) > 0 for entry in COVERAGE.values()) == 4
