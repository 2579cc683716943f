"""The dump of a draft: its golden text, and what it says before all passes have run."""

from __future__ import annotations

from support.golden_text import check_golden_text
from support.small_specs import draft_of, group, small

from loopspec.compiler.dump import dump_draft

PLAIN = small(
    model={"vocab_size": 11, "dim": 16, "value_embedding": {"dim": 4}},
    blocks={"core": group(2, overrides=[{"blocks": [1], "attention": {"xsa": True}, "value_embedding": True}])},
    graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "loop_vector": {}, "skips": {"kind": "unet"}}],
)


def test_the_dump_of_a_whole_draft_is_the_golden() -> None:
    check_golden_text("small.dump.txt", dump_draft(draft_of(PLAIN)))


def test_the_dump_after_paths_has_positions_alone() -> None:
    assert dump_draft(draft_of(PLAIN, "paths")).splitlines() == [
        "positions",
        "  0: trunk/core.0#0 loop 0",
        "  1: trunk/core.1#0 loop 0",
        "  2: trunk/core.0#1 loop 1",
        "  3: trunk/core.1#1 loop 1",
    ]


def test_the_dump_after_bind_has_stores_and_sites_without_widths() -> None:
    text = dump_draft(draft_of(PLAIN, "bind"))
    assert "mode full" in text and "mode single" in text and "size" not in text
    assert " -> " not in text and " -> 16" in dump_draft(draft_of(PLAIN, "shapes"))
