"""Tables that stages share."""

from __future__ import annotations

from support.small_specs import group, plan_of, small


def test_a_rotary_table_of_two_groups_is_the_same_in_a_mode_without_the_first() -> None:
    plan = plan_of(
        small(
            blocks={"first": group(1), "second": group(1)},
            graph=[{"stage": "a", "blocks": "first"}, {"stage": "b", "blocks": "second"}],
            modes={"short": {"a": {"loops": 0}}},
            cadence=[{"pattern": ["full", "short"]}],
        )
    )
    for mode in ("full", "short"):
        tables = [site for site in plan.graph.mode_sites(mode) if site.startswith("input/rotary")]
        assert tables == ["input/rotary.0"]
        assert plan.graph.nx.nodes[tables[0]]["node"].origin == ("blocks", "first", "attention", "rope")
