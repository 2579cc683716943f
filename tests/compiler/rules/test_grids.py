"""Whatever scheme validates for the stores that its rule takes can be written for them, once they are trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from loopspec.compiler.check import check_spec
from loopspec.compiler.passes import run_passes
from loopspec.compiler.plan import Plan
from loopspec.compiler.rules.findings import Findings
from loopspec.compiler.rules.grids import check_grids, mean_beyond
from loopspec.compiler.schema import load_schema
from loopspec.compiler.schema.check import check_against_schema
from loopspec.compiler.schema.defaults import fill_defaults
from loopspec.compiler.source.nodes import Mapping, mapping_to_plain
from loopspec.compiler.source.yaml_reader import parse_yaml
from loopspec.compiler.spec.build_quantization import build_scheme
from loopspec.compiler.spec.quantization import Clip, Scheme, Step
from loopspec.runtime.quantize import QuantizeError, encode
from loopspec.runtime.quantize.grid import encode_grid, plan_grid
from loopspec.runtime.quantize.statistics import StoreStatistics

TINY = Path(__file__).parents[2] / "err" / "parents" / "tiny.yaml"
CLIPS = [
    "{kind: absmax}",
    "{kind: std, k: 12.85}",
    "{kind: std, k: 0.5}",
    "{kind: sensitivity_std, k: 12.85}",
    "{kind: sensitivity_std, k: 12.85, strength: 1}",
    "{kind: percentile, percentile: 0.999}",
    "{kind: percentile, percentile: 0.6}",
    "{kind: percentile_search}",
    "{kind: percentile_search, percentiles: [0.3, 0.6], choose: store}",
]
STEPS = [
    "",
    ", step: {kind: store}",
    ", step: {kind: group, columns: 2}",
    ", step: {kind: group, columns: 5}",
    ", step: {kind: group, columns: 15, dtype: float32, rounds_with: exact}",
    ", step: {kind: row, floor: 1}",
]
REST = [
    "",
    ", gptq: {}",
    ", row_bits: {high: 8, low: 4, share: 0.5}",
    ", prune: 0.4",
    ", prune: 0.7",
    ", error_rank: 16",
    ", error_rank: 17",
]
PLAIN = [
    f"{{kind: {kind}{step}{prune}}}"
    for kind, step, prune in product(["ternary", "binary"], STEPS, ["", ", prune: 0.95"])
    if kind == "ternary" or not prune
] + ["{kind: rate_distortion}", "{kind: float16}", "{kind: float32}"]
INTEGER = [f"{{kind: integer, bits: 6, clip: {clip}{step}{rest}}}" for clip, step, rest in product(CLIPS, STEPS, REST)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    found = check_spec(TINY).plan
    assert found is not None
    return found


def faults(plan: Plan, scheme: Scheme) -> list[str]:
    """Codes of what `check_grids` says of the scheme for every matrix."""
    quantization = plan.spec.quantization
    rules = (replace(quantization.rules[0], scheme=scheme), *quantization.rules[1:])
    spec = replace(plan.spec, quantization=replace(quantization, rules=rules))
    root = parse_yaml("name: x", "x").node
    assert isinstance(root, Mapping)
    findings = Findings(root, {})
    check_grids(findings, run_passes(spec, "quantization"))
    return [item.code for item in findings.diagnostics]


def scheme_of(text: str) -> Scheme:
    """Of a scheme that the schema must take."""
    root = parse_yaml(f"quantization: {{rules: [{{scheme: {text}}}]}}", "x").node
    assert isinstance(root, Mapping)
    schema = load_schema()["properties"]["quantization"] | {"$defs": load_schema()["$defs"]}
    section = root.entries["quantization"].value
    assert isinstance(section, Mapping)
    assert not check_against_schema(section, schema), text
    return build_scheme(fill_defaults(mapping_to_plain(section), schema)["rules"][0]["scheme"])


def statistics_of(rows: int, columns: int, rng: np.random.Generator) -> StoreStatistics:
    """As of a store that half of the rows of which no gradient reaches."""
    inputs = rng.standard_normal((4 * columns, columns))
    moments = (inputs.T @ inputs / len(inputs)).astype(np.float32)
    outputs = np.exp(rng.standard_normal(rows)) * (rng.random(rows) < 0.5)
    outputs[0] = 1
    return StoreStatistics(4 * columns, 1, moments, moments, outputs)


def write(plan: Plan, scheme: Scheme) -> None:
    rng = np.random.default_rng(0)
    for store in plan.exported_stores:
        if store.scheme.kind != "rate_distortion":
            continue
        weights = (0.05 * rng.standard_normal(store.shape)).astype(np.float32)
        statistics = statistics_of(*store.shape, rng)
        if scheme.kind == "rate_distortion":
            encode_grid(store.name, weights, plan_grid(store.name, weights, statistics), 1.0)
        else:
            encode(store.name, weights, scheme, statistics if scheme.calibrated else None)


def check_written(plan: Plan, text: str) -> bool:
    """Whether the scheme validates; then all matrices must be written."""
    scheme = scheme_of(text)
    if faults(plan, scheme):
        return False
    write(plan, scheme)
    return True


@pytest.mark.parametrize("text", [*PLAIN, *INTEGER[::17]])
def test_what_validates_can_be_written(plan: Plan, text: str) -> None:
    check_written(plan, text)


@pytest.mark.torture
def test_all_that_validates_can_be_written(plan: Plan) -> None:
    written = [check_written(plan, text) for text in (*PLAIN, *INTEGER)]
    assert 0.3 < sum(written) / len(written) < 0.9


@pytest.mark.parametrize(
    ("scheme", "code", "message"),
    [
        (Scheme("integer", 6, Clip(), error_rank=17), "LS310", "error_rank is 17"),
        (Scheme("integer", 6, Clip("std", 12.85), Step("group", 2)), "LS303", "lies outside the grid"),
        (Scheme("integer", 6, Clip("std", 12.85), Step("group", 31)), "LS303", "lies outside the grid"),
        (Scheme("integer", 6, Clip("sensitivity_std", 9.0, 0.1), Step("store")), "LS311", "needs steps by row"),
        (Scheme("integer", 6, Clip("percentile", percentile=0.7), prune=0.7), "LS313", "percentile 0.7 .* is zero"),
    ],
    ids=str,
)
def test_what_is_refused_could_not_be_written(plan: Plan, scheme: Scheme, code: str, message: str) -> None:
    assert faults(plan, scheme) == [code]
    with pytest.raises(QuantizeError, match=message):
        write(plan, scheme)


@pytest.mark.parametrize(("samples", "k"), [(2, 12.85), (3, 2.0), (8, 0.5), (16, 0.5)])
def test_how_often_a_mean_lies_beyond_the_grid(samples: int, k: float) -> None:
    drawn = np.random.default_rng(0).standard_normal((200_000, samples))
    share = float((np.abs(drawn.mean(axis=1)) > k * drawn.std(axis=1)).mean())
    assert mean_beyond(samples, k) == pytest.approx(share, abs=4 * (share / 200_000) ** 0.5)
    assert mean_beyond(1, k) == 1
