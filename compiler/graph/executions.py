"""Unrolls stages into events: a stage begins, a loop begins, a block runs. Executions are the same in every mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..spec.architecture import Architecture, Block
from ..spec.stage import Stage
from .modes import FULL, Mode, StagePath

Identity = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a block.

    Attributes:
        index: its position number: place in the table of all executions, those of mode full first.
        entry: how often the stage was entered before (more than 0 inside a stage that loops).
        loop: which loop of this entry; blocks of extra cycles count on after the loops, positions keep theirs.
        step: index in the stage's path, which placed features and private parts go by; None: has none.
        number: index over all loops of the stage in mode full, which its own stores are named by; None beyond it.
        occurrence: how often the stage runs this block before; (stage, block, occurrence) is the public identity.
        anchor: position whose place in the model counts for norm scales: its own, or of the one it repeats.
    """

    stage: Stage
    entry: int
    loop: int
    step: int | None
    number: int | None
    block: int
    occurrence: int
    index: int
    anchor: int

    @property
    def block_name(self) -> str:
        """`group.index`."""
        return f"{self.stage.blocks}.{self.block}"

    @property
    def site_prefix(self) -> str:
        """`stage/group.index#occurrence`."""
        return f"{self.stage.name}/{self.block_name}#{self.occurrence}"


@dataclass(frozen=True, slots=True)
class Event:
    """A step of a mode's program.

    `enter` and `leave` bracket a stage, `loop` and `end_loop` one of its loops, `cycle` and `end_cycle` an extra cycle
    after them; `run` runs a block. `loop` counts the loops, or the cycles, of this entry.
    """

    kind: Literal["enter", "loop", "run", "end_loop", "cycle", "end_cycle", "leave"]
    stage: Stage
    path: StagePath
    entry: int = 0
    loop: int = 0
    run: Execution | None = None


class Table:
    """The executions of all modes, by identity; those of mode full have the first numbers."""

    def __init__(self, architecture: Architecture, modes: Mapping[str, Mode]) -> None:
        self.architecture = architecture
        self.known: dict[Identity, Execution] = {}
        self._occurrences: Counter[tuple[str, int]] = Counter()
        self.programs: dict[str, tuple[Event, ...]] = {}
        for name in (FULL, *(mode for mode in modes if mode != FULL)):
            self._full = name == FULL
            self.programs[name] = tuple(self._program(modes[name]))

    def __eq__(self, other: object) -> bool:
        """Equal executions in equal programs."""
        return isinstance(other, Table) and (self.known, self.programs) == (other.known, other.programs)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """All executions, by position number."""
        return tuple(self.known.values())

    def runs(self, mode: str) -> tuple[Execution, ...]:
        """The executions of a mode, in order."""
        return tuple(event.run for event in self.programs[mode] if event.run is not None)

    def _program(self, mode: Mode) -> Iterator[Event]:
        entries: Counter[str] = Counter()
        for stage in self.architecture.stages:
            if stage.inside is None:
                yield from self._stage(stage, mode, entries)

    def _stage(self, stage: Stage, mode: Mode, entries: Counter[str]) -> Iterator[Event]:
        path, entry = mode[stage.name], entries[stage.name]
        entries[stage.name] += 1
        steps = stage.path if path.path is None else path.path
        inner = [other for other in self.architecture.stages if other.inside == stage.name]
        yield Event("enter", stage, path, entry)
        for loop in _loops_with_effect(stage, path.loops):
            yield Event("loop", stage, path, entry, loop)
            seen: Counter[int] = Counter()
            for place, block in enumerate(steps):
                if place == len(steps) // 2:
                    for other in inner:
                        yield from self._stage(other, mode, entries)
                yield Event("run", stage, path, entry, loop, self._run(stage, entry, loop, block, seen[block]))
                seen[block] += 1
            yield Event("end_loop", stage, path, entry, loop)
        yield from self._extra(stage, path, entry)
        yield Event("leave", stage, path, entry)

    def _extra(self, stage: Stage, path: StagePath, entry: int) -> Iterator[Event]:
        extra = path.extra
        for cycle in range(extra.times if extra is not None else 0):
            assert extra is not None
            yield Event("cycle", stage, path, entry, cycle)
            for place, item in enumerate(extra.positions or extra.blocks or ()):
                like = self._repeated(stage, entry, item) if extra.positions is not None else None
                kind = "block" if like is None else "position"
                identity = (stage.name, "extra", entry, cycle, place, kind, item)
                block = item if like is None else like.block
                yield Event(
                    "run", stage, path, entry, cycle, self._extra_run(identity, stage, entry, block, cycle, like)
                )
            yield Event("end_cycle", stage, path, entry, cycle)

    def _repeated(self, stage: Stage, entry: int, step: int) -> Execution:
        """This entry's last execution in mode full at that position; in an entry that full has not, without its own."""
        runs = [
            run for run in self.known.values() if run.stage is stage and run.step == step and run.number is not None
        ]
        here = [run for run in runs if run.entry == entry]
        last = max(here or runs, key=lambda run: run.index)
        return last if here else replace(last, number=None)

    def _extra_run(
        self, identity: Identity, stage: Stage, entry: int, block: int, cycle: int, like: Execution | None
    ) -> Execution:
        if identity not in self.known:
            index = len(self.known)
            loop, step, number, anchor = stage.loops + cycle, None, None, index
            if like is not None:  # in every way as it is, whatever its place names loops
                loop, step, number, anchor = like.loop, like.step, like.number, like.anchor
            self.known[identity] = Execution(
                stage, entry, loop, step, number, block, self._occurrence(stage, block), index, anchor
            )
        return self.known[identity]

    def _run(self, stage: Stage, entry: int, loop: int, block: int, before: int) -> Execution:
        """The execution of a block that ran `before` times in this loop."""
        identity = (stage.name, "loop", entry, loop, block, before)
        if identity not in self.known:
            steps = [step for step, other in enumerate(stage.path) if other == block]
            step = steps[before] if before < len(steps) else None
            number = (entry * stage.loops + loop) * len(stage.path) + (step or 0) if self._full else None
            index = len(self.known)
            self.known[identity] = Execution(
                stage, entry, loop, step, number, block, self._occurrence(stage, block), index, index
            )
        return self.known[identity]

    def _occurrence(self, stage: Stage, block: int) -> int:
        self._occurrences[stage.name, block] += 1
        return self._occurrences[stage.name, block] - 1


def _loops_with_effect(stage: Stage, loops: int) -> range:
    """All loops; of parallel firings of which only the last counts, that one: the others would change nothing."""
    combine = stage.firing.combine
    return range(max(loops - 1, 0), loops) if combine is not None and combine.kind == "last" else range(loops)


def first_uses(runs: tuple[Execution, ...]) -> dict[tuple[str, int], int]:
    """Index of the first execution of each (group, block)."""
    first: dict[tuple[str, int], int] = {}
    for run in runs:
        first.setdefault((run.stage.blocks, run.block), run.index)
    return first


def block_of(architecture: Architecture, run: Execution) -> Block:
    """The physical block that an execution runs."""
    return architecture.blocks[run.stage.blocks][run.block]


def placed(run: Execution, feature: str) -> bool:
    """Whether a feature is placed on this execution's position."""
    where = run.stage.place.get(feature)
    return where is not None and where.holds(run.step, run.loop)


def dropped(run: Execution, branch: str) -> bool:
    """Whether this execution leaves out its attention, or its MLP."""
    drop = run.stage.drop.get(branch)
    return drop is not None and drop.holds(run.step, run.loop)


def uses_value_embedding(architecture: Architecture, run: Execution) -> bool:
    """Whether the value embedding is added at this execution, by its block or by its position."""
    return block_of(architecture, run).value_embedding or placed(run, "value_embedding")


def uses_xsa(architecture: Architecture, run: Execution) -> bool:
    """Whether exclusive self-attention acts at this execution, by its block or by its position."""
    return block_of(architecture, run).attention.xsa or placed(run, "xsa")


def skip_pairs(runs: Iterable[Execution]) -> dict[int, int]:
    """U-Net skips among the executions of one stage, all modes together: index of the receiver -> index of its source.

    With n positions in a scope the first n // 2 push, the rest pop, last first; with odd n the last gets none. A loop
    that only some modes run has skips like the others; a mode keeps the pairs of which both ends run, so switching
    loops off never rebinds a skip. Extra cycles have none.
    """
    pairs: dict[int, int] = {}
    for stage, places in _scopes(runs):
        positions = len(stage.path) * (stage.loops if _over_all_loops(stage) else 1)
        for offset in range(positions // 2):
            receiver, source = positions // 2 + offset, positions // 2 - 1 - offset
            if receiver in places and source in places:
                pairs[places[receiver]] = places[source]
    return pairs


def _scopes(runs: Iterable[Execution]) -> Iterator[tuple[Stage, dict[int, int]]]:
    """Indices by place in each scope: one for each loop of each entry of a stage, or for each entry."""
    scopes: dict[tuple[str, int, int], tuple[Stage, dict[int, int]]] = {}
    for run in runs:
        stage, loop, place = run.stage, run.loop, run.step
        if stage.skips is None or place is None or run.anchor != run.index:
            continue
        if _over_all_loops(stage):
            if run.number is None:
                continue
            loop, place = 0, run.number - run.entry * stage.loops * len(stage.path)
        scopes.setdefault((stage.name, run.entry, loop), (stage, {}))[1][place] = run.index
    yield from scopes.values()


def _over_all_loops(stage: Stage) -> bool:
    return stage.skips is not None and stage.skips.scope == "path"


def skip_key(run: Execution) -> int:
    """Which skip weight a receiving execution uses: its step where stacks are fresh in each loop, else its place."""
    key = run.number if _over_all_loops(run.stage) else run.step
    assert key is not None
    return key
