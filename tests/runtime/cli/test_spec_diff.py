"""Differences at the depth that tells two documents apart."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from loopspec.runtime.cli.spec_diff import ABSENT, KeyChange, spec_changes

PLAIN = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("xyz"), PLAIN, max_size=3)


def test_keys_items_and_whole_lists():
    a = {"x": {"y": 1, "z": None}, "list": [{"k": 1}, {"k": 2}], "path": [0, "1 x 3"]}
    b = {"x": {"y": 2, "w": None}, "list": [{"k": 1}], "path": [0, 1]}
    assert spec_changes(a, b) == [
        KeyChange("x.y", 1, 2),
        KeyChange("x.z", None, ABSENT),
        KeyChange("x.w", ABSENT, None),
        KeyChange("list.1", {"k": 2}, ABSENT),
        KeyChange("path", [0, "1 x 3"], [0, 1]),
    ]


def _apply(document: object, change: KeyChange) -> None:
    *above, last = change.key.split(".")
    for step in above:
        document = document[int(step)] if isinstance(document, list) else document[step]
    if isinstance(document, list):
        document[int(last) : int(last) + 1] = [] if change.b is ABSENT else [change.b]
    elif change.b is ABSENT:
        del document[last]
    else:
        document[last] = change.b


@given(DOCUMENTS, DOCUMENTS)
def test_the_changes_of_a_give_b(a, b):
    changed = copy.deepcopy(a)
    changes = spec_changes(a, b)
    for change in sorted(changes, key=lambda item: item.b is ABSENT):
        if change.b is not ABSENT:
            _apply(changed, copy.deepcopy(change))
    for change in reversed([item for item in changes if item.b is ABSENT]):
        _apply(changed, change)
    assert changed == b
    assert bool(changes) == (a != b)
