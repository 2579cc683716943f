"""The comparison of packers measures what it says, and reads its curves rightly."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from packers import compare, head_of
from packers_compare import Curve, falling, interpolated, savings
from packers_measure import Bench, HeldOut, measure
from packers_methods import METHODS, OURS, PUBLISHED, coded_stores, quantizers
from packers_store import begun, load
from packers_tables import markdown
from support.small_specs import group, plan_of, small

from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.artifact import ArtifactContents
from loopspec.runtime.data.token_stream import TokenStream

CHOSEN = {name: quantizers(2)[name] for name in ("grid", "gptq-absmax", "std", "one-step")}


@pytest.fixture(scope="module")
def bench():
    torch.manual_seed(0)
    plan = plan_of(
        small(
            model={"vocab_size": 64, "dim": 64, "embedding": {"head_init": {"kind": "normal", "std": 0.05}}},
            blocks={"core": group(1, mlp={"ratio": 1})},
        )
    )
    module = build_module(plan).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape))
    tokens = np.random.default_rng(0).integers(0, 64, 400).astype(np.uint16)
    held_out = HeldOut(plan, module, tokens[:100], 64)
    contents = ArtifactContents(plan.spec.plain, {}, None, "", {})
    return Bench(plan, module, TokenStream([tokens[100:]]), contents, held_out, 128)


@pytest.fixture(scope="module")
def path(bench, tmp_path_factory):
    path = tmp_path_factory.mktemp("packers") / "small.json"
    compare(bench, begun(path, head_of(bench, "random")), CHOSEN, 2, path)
    return path


def test_a_comparison_goes_on_from_its_file(bench, path):
    found = begun(path, head_of(bench, "random"))
    assert len(found.records) == 2 * (4 + 2) and found.seeds == 2
    assert not list(measure(bench, CHOSEN, 2, found.known))
    found.records = [record for record in found.records if (record.quantizer, record.seed) != ("grid", 1)]
    assert found.seeds == 1
    with pytest.raises(SystemExit, match="another weights"):
        begun(path, head_of(bench, "others"))


def test_coarser_settings_take_less_and_cost_more(bench, path):
    records = load(path).records
    for name, quantizer in CHOSEN.items():
        fine, coarse = [record for record in records if record.quantizer == name and record.seed == 0]
        assert (fine.setting, coarse.setting) == quantizer.settings
        assert all(coarse.bytes[codec] < size for codec, size in fine.bytes.items())
        assert 0 < fine.divergences.mean() < coarse.divergences.mean() and len(fine.rises) == 8
    assert np.abs(bench.held_out.rises({})[0]).max() < 1e-9  # the module is left as it was
    assert "blocks.core.0.mlp.up" in coded_stores(bench.plan)


def test_tables(path):
    text = markdown(load(path), "A small one.")
    for method in METHODS:
        assert text.count(f"| {method.label} |") == (3 if method.quantizer in CHOSEN else 0)
    assert "A small one." in text and "2 draws" in text and "## Where ours saves less" in text


def test_curves_are_read_between_points():
    assert falling(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert falling(np.array([4.0, 2.0, 0.0])).tolist() == [2.0, 2.0, 2.0]
    sizes, rises = np.array([100.0, 300.0, 200.0]), np.array([0.04, 0.01, 0.02])
    inside, *outside = interpolated(sizes, rises, (0.01 * math.sqrt(2), 0.05, 0.005))
    assert inside == pytest.approx(250) and np.isnan(outside).all()


def test_savings_are_paired():
    """What is common to both, however noisy, leaves no error in what ours saves."""
    noise = np.random.default_rng(1).lognormal(0, 0.5, (1, 3, 40))
    rises = noise * np.array([0.005, 0.05])[:, None, None]
    found = [
        Curve(OURS, (2.0, 1.0), np.array([800.0, 400.0]), rises),
        Curve(PUBLISHED[0], (2.0, 1.0), np.array([1000.0, 500.0]), rises),
    ]
    (saving,) = savings(found, (0.02,))[PUBLISHED[0].key]
    assert saving.saved == pytest.approx(0.2) and saving.error < 1e-9
    assert savings(found, (0.02,))[OURS.key][0].error == 0
    assert found[0].error.tolist() == pytest.approx((rises.mean(1).std(1, ddof=1) / math.sqrt(40)).tolist())
