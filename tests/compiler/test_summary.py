"""The printed plan: its width, its sums, and that every store is in it once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from support.golden_text import PLANS

from loopspec.compiler import load_plan
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.summary import plan_text

SHIPPED = {name: path for name, path in shipped_specs().items() if not name.startswith("bases/")}
SPECS = SHIPPED | {"varied": PLANS / "varied.yaml"}


def _unfolded(name: str) -> Iterator[str]:
    """The names that a row of the store table stands for."""
    found = re.search(r"(?<=\.)\d[\d.,]*\d(?=\.|$)", name)
    if found is None:
        yield name
        return
    for part in found[0].split(","):
        first, *last = part.split("..")
        for index in range(int(first), int((last or [first])[0]) + 1):
            yield f"{name[: found.start()]}{index}{name[found.end() :]}"


def _modes(text: str, modes: Iterable[str]) -> set[str]:
    """The modes that a cell of the store table stands for."""
    if text.startswith("not "):
        return set(modes) - set(text.removeprefix("not ").split(", "))
    return {"all": set(modes), "none": set()}.get(text, set(text.split(", ")))


@pytest.mark.parametrize("name", SHIPPED)  # names of any length are whole, so other specs may need more
def test_it_fits_80_columns(name):
    assert max(map(len, plan_text(load_plan(SPECS[name])).splitlines())) <= 80


@pytest.mark.parametrize("name", SPECS)
def test_the_store_table_is_whole_and_true(name):
    plan = load_plan(SPECS[name])
    table = plan_text(plan).partition("\nstores (")[2].partition("\nstates (")[0].splitlines()[2:]
    rows = [re.split(r" {2,}", line.strip()) for line in table if line and ":" not in line]
    named = {store: row for row in rows for store in _unfolded(row[0])}
    assert sorted(named) == sorted(store.name for store in plan.stores)
    assert sum(int(row[3].replace(",", "")) for row in rows) == plan.parameters
    for store in plan.stores:
        _, count, shape, elements, sites, modes = named[store.name]
        assert shape == (" x ".join(map(str, store.shape)) or "scalar")
        assert int(elements.replace(",", "")) == store.elements * int(count)
        assert int(sites) == store.sites and _modes(modes, plan.modes) == set(store.modes)


@pytest.mark.parametrize("name", SPECS)
def test_sections_sum_to_the_parameters(name):
    plan = load_plan(SPECS[name])
    sums = {
        kept: sum(
            int(text.replace(",", "")) for text in re.findall(rf"{kept}.*: ([\d,]+) elements$", text, re.MULTILINE)
        )
        for text in [plan_text(plan)]
        for kept in ("stored as", "not in the artifact")
    }
    assert sums == {"stored as": plan.exported_parameters, "not in the artifact": plan.training_only_parameters}
    assert sum(sums.values()) == plan.parameters


def test_states_and_what_only_training_has_are_told_apart():
    plan = load_plan(SPECS["varied"])
    text = plan_text(plan)
    states = text.partition("\nstates (")[2].splitlines()[2:]
    assert [line.split() for line in states] == [
        ["stages.bank.trace.delta", "by", "batch"],
        ["stages.mill.average", "32"],
    ]
    lines = text.splitlines()
    assert f"  stored     {plan.exported_parameters:>14,}   in {len(plan.stores) - 1} stores" in lines
    assert "  training            2,048   in 1 further stores, not in the artifact" in lines
    assert "  training has further losses; backward counts them" in lines
    assert "  not compiled, stops by the data: deeper" in lines
    assert "\nstates (" not in plan_text(load_plan(SPECS["quickstart.yaml"]))


def test_positions_say_where_a_feature_lands():
    text = plan_text(load_plan(SPECS["tied-15l.yaml"]))
    lines = [line.split() for line in text.splitlines()]
    assert sum(line[-1:] == ["xsa"] for line in lines) == 6  # block 9 at 9 to 13, and block 10
    assert ["10", "0", "trunk/trunk.9#1", "skip,", "value_embedding,", "xsa"] in lines
