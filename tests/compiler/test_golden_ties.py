"""The dedup map of a tied model names the same ties as the map that the reference system wrote into its artifact."""

from __future__ import annotations

import json
from typing import Any

from support.golden_systems import GOLDENS
from support.goldens import GOLDEN, loaded

from loopspec.compiler.emit.dedup import dedup_map

RECORDED: dict[str, Any] = json.loads((GOLDEN / "pr857_tie_map.json").read_text())
TIED = next(golden for golden in GOLDENS if golden.vectors == "pr857_tied")


def test_every_position_uses_the_recorded_stores() -> None:
    """The reference has each position's block under `blocks.<position>`, tied to the one that is stored."""
    plan = loaded(TIED).plan
    ties = {}
    for site, slots in dedup_map(plan)["sites"].items():
        for store in slots.values():
            if store.startswith("blocks."):
                canonical = TIED.recorded_name(store)
                slot = canonical.split(".", 2)[2]
                ties[f"blocks.{plan.graph.site(site).position}.{slot}"] = canonical
    assert ties == RECORDED["tie_map"]
    assert len(ties) == 90


def test_stored_are_the_recorded_ones() -> None:
    stores = dedup_map(loaded(TIED).plan)["stores"]
    assert {TIED.recorded_name(store).partition("@")[0] for store in stores} == set(RECORDED["canonical"])
    assert len(RECORDED["canonical"]) == RECORDED["n_dedup"] == 71
    assert RECORDED["n_state"] == 71 + 90


def test_positions_are_the_recorded_blocks() -> None:
    plan = loaded(TIED).plan
    assert [int(position.block.split(".")[1]) for position in plan.positions] == RECORDED["block_map"]
