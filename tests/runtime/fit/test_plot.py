from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import pytest

from loopspec.runtime.fit.axes import Axis
from loopspec.runtime.fit.candidate import Candidate, Constraint, Fault
from loopspec.runtime.fit.plot import fit_svg
from loopspec.runtime.fit.result import FitResult
from loopspec.runtime.fit.search import find_frontier

AXES = (Axis("model.dim", (Fraction(1), Fraction(2))),)


def candidate(place, target):
    return Candidate(place, 10 + place[0], 10, 100, target, 90, 110, None, 60)


def drawn(measure, target):
    result = FitResult("a", (), AXES, find_frontier(AXES, measure), Constraint(3.0), target, None, "parameters", 1e9)
    return ElementTree.fromstring(fit_svg(result))


@pytest.mark.parametrize("target", [0, 1, 360_000])
def test_nothing_that_is_a_spec(target):
    root = drawn(lambda place: Fault(place, "LS101", "no"), target)
    assert not root.findall("{*}circle")


@pytest.mark.parametrize("targets", [(0, 0), (500, 0), (500, 50)])
def test_a_line_for_each_budget(targets):
    root = drawn(lambda place: candidate(place, targets[place[0]]), 7)
    lines = [path for path in root.findall("{*}path") if path.get("stroke-dasharray")]
    assert len(lines) == len(set(targets))
