"""Which blocks of a trained model could be tied, those first whose positions turn the stream least.

The criterion, exactly: a block's influence is the mean of its positions' influences (BI = 1 - mean cosine) in the
measured mode; a set's influence is the mean over its blocks. Sets are ranked by it, least first; of equal ones the
larger first, then by block numbers. Blocks may be tied where they are of one group and equal in every setting but
exclusive self-attention, which is then placed on the positions instead.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from ...compiler.plan import Plan
from ...compiler.spec.overrides import merged_blocks


@dataclass(frozen=True, slots=True)
class Tie:
    """Blocks of a group that become one, numbered as before; the first of them is kept.

    Attributes:
        influence: the criterion above.
        positions: where they run in mode full.
        contiguous: whether the model, each time it comes to one of them, runs all of them with no other between.
    """

    group: str
    blocks: tuple[int, ...]
    influence: float
    positions: tuple[int, ...]
    contiguous: bool


def tie_candidates(plan: Plan, influences: Mapping[int, float], smallest: int, *, contiguous: bool) -> Iterator[Tie]:
    """Sets of at least `smallest` (2 or more) blocks by the criterion; `influences` is by position.

    Without `contiguous` they come lazily: their number is exponential. Blocks without a position in `influences` are
    in none.
    """
    assert smallest >= 2
    classes = _classes(plan, influences)
    if contiguous:
        windows = (tie for group, members in classes for tie in _windows(plan, group, members, smallest))
        return iter(sorted((tie for tie in windows if tie.contiguous), key=_rank))
    return heapq.merge(*(_sets(plan, group, members, smallest) for group, members in classes), key=_rank)


def _rank(tie: Tie) -> tuple[Any, ...]:
    return tie.influence, -len(tie.blocks), tie.group, tie.blocks


def _classes(plan: Plan, influences: Mapping[int, float]) -> Iterator[tuple[str, dict[int, float]]]:
    """Blocks that may share, with their influences: one mapping for each kind of block of a group."""
    found: dict[str, list[float]] = defaultdict(list)
    for position in plan.positions:
        if position.index in influences:
            found[position.block].append(influences[position.index])
    for name, group in plan.spec.plain["blocks"].items():
        kinds: dict[str, dict[int, float]] = {}
        for index, block in enumerate(merged_blocks(group)):
            if f"{name}.{index}" in found:
                kind = repr(_kind(block.plain, keep_xsa=_unplaceable(plan, name)))
                kinds.setdefault(kind, {})[index] = mean(found[f"{name}.{index}"])
        yield from ((name, members) for members in kinds.values() if len(members) > 1)


def _kind(block: Mapping[str, Any], *, keep_xsa: bool) -> dict[str, Any]:
    """What must be equal: all settings of a block; where XSA can be placed on positions, all others."""
    kind = {key: value for key, value in block.items() if key not in ("count", "overrides")}
    if not keep_xsa:
        kind["attention"] = {key: value for key, value in kind["attention"].items() if key != "xsa"}
    return kind


def _unplaceable(plan: Plan, group: str) -> bool:
    """Whether some mode runs blocks of the group at no position of a path, where nothing can be placed."""
    stages = {stage.name: stage for stage in plan.spec.architecture.stages if stage.blocks == group}
    for changes in plan.spec.architecture.modes.values():
        for name, change in changes.items():
            blocks = change.extra is not None and change.extra.blocks is not None
            if name in stages and (change.path is not None or blocks):
                return True
    return False


def _windows(plan: Plan, group: str, members: Mapping[int, float], smallest: int) -> Iterator[Tie]:
    """Sets of blocks that follow each other in the order of their first positions; all contiguous ones are among them.

    A block whose only positions lie outside of mode full is in none.
    """
    first: dict[int, int] = {}
    for index in plan.modes["full"].positions:
        name, _, block = plan.positions[index].block.rpartition(".")
        if name == group and int(block) in members:
            first.setdefault(int(block), index)
    order = sorted(first, key=first.__getitem__)
    for size in range(smallest, len(order) + 1):
        for start in range(len(order) - size + 1):
            yield _tie(plan, group, order[start : start + size], members)


def _sets(plan: Plan, group: str, members: Mapping[int, float], smallest: int) -> Iterator[Tie]:
    sizes = range(smallest, len(members) + 1)
    return heapq.merge(*(_sets_of(plan, group, members, size) for size in sizes), key=_rank)


def _sets_of(plan: Plan, group: str, members: Mapping[int, float], size: int) -> Iterator[Tie]:
    return (_tie(plan, group, blocks, members) for blocks in _least(members, size))


def _least(members: Mapping[int, float], size: int) -> Iterator[tuple[int, ...]]:
    """All subsets of a size, in the order of their sums, by moving one member on at a time; lazily."""
    order = sorted(members, key=lambda block: (members[block], block))
    first = tuple(range(size))
    heap, seen = [(_sum(members, order, first), first)], {first}
    while heap:
        _, places = heapq.heappop(heap)
        yield tuple(order[place] for place in places)
        for number, place in enumerate(places):
            moved = (*places[:number], place + 1, *places[number + 1 :])
            free = place + 1 < (places[number + 1] if number + 1 < size else len(order))
            if free and moved not in seen:
                seen.add(moved)
                heapq.heappush(heap, (_sum(members, order, moved), moved))


def _sum(members: Mapping[int, float], order: Sequence[int], places: Iterable[int]) -> float:
    return sum(members[order[place]] for place in places)


def _tie(plan: Plan, group: str, chosen: Iterable[int], members: Mapping[int, float]) -> Tie:
    blocks = tuple(sorted(chosen))
    names = {f"{group}.{block}" for block in blocks}
    full = [plan.positions[index] for index in plan.modes["full"].positions]
    runs: list[set[str]] = [set()]
    for position in full:
        if position.block in names:
            runs[-1].add(position.block)
        elif runs[-1]:
            runs.append(set())
    contiguous = runs[0] == names and all(run == names for run in runs if run)
    positions = tuple(position.index for position in full if position.block in names)
    return Tie(group, blocks, mean(members[block] for block in blocks), positions, contiguous)
