"""What fits, as text, as JSON and as a picture."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ElementTree

import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.source.shipped import shipped_specs

SETS = [FIXED_GRIDS, "budget.bytes=520000"]
FIXED = [word for each in SETS for word in ("--set", each)]
QUICKSTART = shipped_specs()["quickstart.yaml"]


def as_json(cli, *words):
    result = cli("fit", "quickstart", *words, "--format", "json")
    return json.loads(result.out), result


def test_the_largest_width_that_fits(cli):
    found, result = as_json(cli, "--vary", "model.dim=96..192:32", *FIXED)
    assert (result.code, result.err) == (0, "")
    (best,) = found["frontier"]
    fits = load_plan(QUICKSTART, [*best["set"], *SETS])
    assert fits.size.predicted_bytes == best["needed_bytes"] <= fits.size.limit_bytes == found["target_bytes"]
    assert fits.exported_parameters == best["parameters"]
    large = [FIXED_GRIDS, "budget.bytes=9000000"]
    wider = load_plan(QUICKSTART, [*best["set"], *large]).spec.architecture.model.dim + 32
    assert load_plan(QUICKSTART, [f"model.dim={wider}", *large]).size.predicted_bytes > 520_000


def test_two_keys_as_text(cli):
    words = ("--vary", "model.dim=96,128", "--vary", "blocks.core.mlp.ratio=2,3", "--rows", "1")
    result = cli("fit", "quickstart", *words, *FIXED)
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0] == "quickstart: 520,000 bytes, varying model.dim, blocks.core.mlp.ratio"
    assert lines[1].endswith("invalid") or lines[1].endswith("planned")
    header = next(line for line in lines if "parameters  " in line)
    assert header.split() == ["dim", "ratio", "parameters", "bytes", "low", "high", "MFLOP/token", "loss", "proxy"]
    assert lines[-1].startswith("best by parameters: loopspec plan quickstart --set model.dim=")
    assert lines[-1].endswith("--set budget.bytes=520000") and "--set 'quantization.rules=[" in lines[-1]
    assert any("more; --rows shows them" in line for line in lines)


@pytest.mark.torture
def test_best_by_loss_is_first(cli):
    words = ("--vary", "model.dim=96,128", "--vary", "blocks.core.mlp.ratio=2,3", "--by", "loss")
    found, _ = as_json(cli, *words, "--tokens", "1e7")
    proxies = [row["loss_proxy"] for row in found["frontier"]]
    assert len(proxies) > 1 and proxies == sorted(proxies)


def test_combinations_that_are_no_spec_are_counted(cli):
    found, result = as_json(cli, "--vary", "model.dim=120,127")
    assert sum(found["invalid"].values()) >= 1 and result.code == 0
    assert found["tried"] + sum(found["invalid"].values()) <= found["combinations"] == 2


def test_rate_distortion_is_held_to_bits_a_weight(cli):
    rules = (
        "quantization.rules=[{match: {min_elements: 1024}, scheme: {kind: rate_distortion}}, {scheme: {kind: float16}}]"
    )
    sets = (rules, "quantization.codec={kind: rans}", "budget.bytes=520000")
    words = ("--vary", "model.dim=128,192,256", *(word for each in sets for word in ("--set", each)))
    loose, tight = (as_json(cli, *words, "--bits-per-weight", bits)[0]["frontier"][0] for bits in (2, 4.5))
    assert loose["parameters"] > tight["parameters"]
    assert 2 <= loose["bits_per_weight"] < tight["bits_per_weight"] and tight["bits_per_weight"] >= 4.5


@pytest.mark.torture
def test_sure_fits_less(cli):
    words = (
        "--vary",
        "blocks.core.mlp.ratio=3..4.5:0.25",
    )
    plain, sure = (as_json(cli, *words, *more)[0] for more in ((), ("--sure",)))
    assert sure["frontier"][0]["parameters"] <= plain["frontier"][0]["parameters"]
    assert all(row["high_bytes"] <= sure["target_bytes"] for row in sure["frontier"])


def test_nothing_fits(cli):
    result = cli("fit", "quickstart", "--vary", "model.dim=512,640")
    assert result.code == 1
    *_, what, mend = result.out.splitlines()
    assert re.fullmatch(r"nothing fits; nearest is model.dim=512, [\d,]+ bytes over at 2.5 bits a weight", what)
    assert mend.startswith("give smaller values of model.dim, or a larger budget.bytes by --set, or --bits-per-weight ")


def test_budgets_that_are_all_too_small_are_named_with_their_own_mend(cli):
    result = cli("fit", "quickstart", "--vary", "budget.bytes=200000,300000")
    assert result.code == 1
    first, *_, what, mend = result.out.splitlines()
    assert first == "quickstart: 200,000 to 300,000 bytes, varying budget.bytes"
    assert what.startswith("nothing fits; nearest is budget.bytes=300000, ")
    assert mend.startswith("give larger values of budget.bytes, or --bits-per-weight below 2.")
    assert "as bytes do not grow" not in result.out


def test_the_least_budget_and_the_largest_width_for_each(cli):
    words = ("--vary", "budget.bytes=200000,300000,900000")
    found, _ = as_json(cli, *words)
    (row,) = found["frontier"]
    assert row["set"] == ["budget.bytes=900000"] and row["target_bytes"] == 900000 and not found["exhaustive"]
    assert found["target_bytes"] == 360000
    found, _ = as_json(cli, *words[:1], "budget.bytes=200000,900000", "--vary", "model.dim=128,192")
    assert found["frontier"][0]["set"] == ["budget.bytes=900000", "model.dim=192"] and not found["exhaustive"]


def test_nothing_is_a_valid_spec(cli):
    result = cli("fit", "quickstart", "--vary", "model.dim=97,99")
    assert result.code == 1
    assert result.out.splitlines()[-2:] == [
        "no combination is a valid spec; model.dim=97: model.dim 97 does not split into 4 heads",
        "see loopspec validate quickstart --set model.dim=97",
    ]
    assert "fits" not in result.out


def test_the_shipped_model_fits_itself_and_what_does_not_is_told(cli):
    result = cli("fit", "quickstart", "--vary", "model.dim=128")
    assert result.code == 0
    header = next(line for line in result.out.splitlines() if "parameters  " in line)
    assert "  bytes at 2.5 bits  bits at budget  " in header
    result = cli("fit", "quickstart", "--vary", "model.dim=96,128", "--bits-per-weight", "3")
    assert "the spec as given has bytes for 2." in result.out and "--set model.dim=96" in result.out


def test_the_plot_is_an_svg(cli, tmp_path):
    assert cli("fit", "quickstart", "--vary", "model.dim=64,128", "--plot", "f.svg").code == 0
    root = ElementTree.fromstring((tmp_path / "f.svg").read_text())
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) >= 2
    result = cli("fit", "quickstart", "--vary", "model.dim=64", "--plot", "no/f.svg")
    assert result.code == 1 and "no/f.svg cannot be written" in result.err


def test_a_plot_of_nothing_and_one_of_several_budgets(cli, tmp_path):
    result = cli("fit", "quickstart", "--vary", "model.dim=97", "--plot", "f.svg")
    assert result.code == 1 and "no combination is a valid spec" in result.out, result.err
    assert ElementTree.fromstring((tmp_path / "f.svg").read_text()) is not None
    assert cli("fit", "quickstart", "--vary", "budget.bytes=300000,900000", "--plot", "g.svg").code == 0
    assert (tmp_path / "g.svg").read_text().count("stroke-dasharray") == 2


def test_a_plot_takes_the_place_of_no_pipe(cli, tmp_path):
    os.mkfifo(tmp_path / "f.svg")
    result = cli("fit", "quickstart", "--vary", "model.dim=64", "--plot", "f.svg")
    assert result.code == 1 and (tmp_path / "f.svg").is_fifo()
    assert "f.svg cannot be written (It is there and is no regular file); name another" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vary", "model.width"], "the resolved spec has no 'width' there"),
        (["--vary", "model.dim", "--vary", "model.dim=64"], "model.dim is given twice"),
        (["--vary", "model.dim", "--set", "model.dim=64"], "model.dim is given twice"),
        (["--vary", "model.dim", "--rows", "0"], "--rows must be at least 1, not 0"),
        (["--vary", "model.dim", "--tokens", "nan"], "--tokens must be at least 1, not nan"),
        (["--vary", "model.dim", "--bits-per-weight", "9"], "--bits-per-weight must be above 0 and at most 8, not 9"),
    ],
)
def test_wrong_usage(cli, words, message):
    result = cli("fit", "quickstart", *words)
    assert (result.code, result.out) == (2, "") and message in result.err


def test_a_spec_with_errors_of_its_own(cli):
    result = cli("fit", "quickstart", "--vary", "model.dim", "--set", "blocks.core.attention.heads=7")
    assert result.code == 1 and "error[LS" in result.err and "quickstart: 2 errors" in result.err
    assert cli("fit", "-", "--vary", "model.dim").code == 2


def test_a_spec_over_its_budget_may_be_fitted(cli):
    result = cli("fit", "quickstart", "--set", "budget.bytes=300000", "--vary", "model.dim=32,64")
    assert result.code == 0


def test_no_torch(start):
    code = (
        "import sys; from loopspec.runtime.cli import main; "
        "main(['fit', 'quickstart', '--vary', 'model.dim=64,96']); print('torch' in sys.modules)"
    )
    process = start("-c", code)
    assert process.communicate(timeout=60)[0].endswith("False\n")
