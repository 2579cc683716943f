from __future__ import annotations

from fractions import Fraction

import pytest

from loopspec.compiler.check import check_spec
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.runtime.fit.axes import read_axis
from loopspec.runtime.fit.errors import FitError


@pytest.fixture(scope="module")
def plain():
    found = check_spec(shipped_specs()["frugendorff-6x2.yaml"]).plain
    assert found is not None
    return found


def texts(argument, plain):
    axis = read_axis(argument, plain)
    return [axis.text(index) for index in range(len(axis.values))]


@pytest.mark.parametrize(
    ("argument", "values"),
    [
        ("model.dim", ["320", "400", "480", "560", "640", "720", "800", "880", "960", "1040", "1120", "1200", "1280"]),
        ("graph.0.loops", ["1", "2", "3", "4"]),
        ("blocks.core.mlp.ratio=2,8, 4,4", ["2", "4", "8"]),
        ("blocks.core.mlp.ratio=2..3:0.25", ["2", "2.25", "2.5", "2.75", "3"]),
        ("model.dim=512..512", ["512"]),
        ("model.dim=10..14", ["10", "11", "12", "13", "14"]),
        ("model.dim=0..33:8", ["0", "8", "16", "24", "32"]),
        (
            "model.dim=0..48",
            ["0", "3", "6", "9", "12", "15", "18", "21", "24", "27", "30", "33", "36", "39", "42", "45", "48"],
        ),
    ],
)
def test_values(argument, values, plain):
    assert texts(argument, plain) == values


def test_budgets_come_from_the_one_that_holds_most_on(plain):
    assert texts("budget.bytes=200000,400000,300000", plain) == ["400000", "300000", "200000"]


def test_decimals_are_exact(plain):
    axis = read_axis("blocks.core.mlp.ratio=0.1..0.7:0.1", plain)
    assert axis.values[2] == Fraction(3, 10) and axis.text(2) == "0.3"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("model.width", "--vary model.width: the resolved spec has no 'width' there"),
        ("graph.9.loops", "has no '9' there"),
        ("name", "--vary name: it is 'frugendorff-6x2' in this spec; only a number can be varied"),
        ("model.dim=a", "'a' is no number; write KEY=LOW..HIGH:STEP or KEY=A,B,C"),
        ("model.dim=", "'' is no number"),
        ("model.dim=1/0", "'1/0' is no number"),
        ("model.dim=9..3", "LOW at most HIGH"),
        ("model.dim=1..3:0", "STEP above 0"),
        ("model.dim=1..1e9:1", "1000000000 values; at most 1000, give a larger step"),
        ("model.dim=2.5", "model.dim takes whole numbers"),
    ],
)
def test_faults(argument, message, plain):
    with pytest.raises(FitError) as caught:
        read_axis(argument, plain)
    assert message in str(caught.value)
