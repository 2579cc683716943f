"""Unrolls stages into executions of blocks, with an identity that every mode keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ..spec.architecture import Architecture, Block, Stage

FULL = "full"
SINGLE = "single"


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a block.

    Attributes:
        loop: which loop of the stage.
        step: index in the stage's path, the same in every loop.
        unrolled: index over all loops of the stage.
        occurrence: how often the stage ran this block before; (stage, block, occurrence) is the public identity.
        index: position among all executions of mode full.
    """

    stage: Stage
    loop: int
    step: int
    unrolled: int
    block: int
    occurrence: int
    index: int

    @property
    def block_name(self) -> str:
        """`group.index`."""
        return f"{self.stage.blocks}.{self.block}"

    @property
    def site_prefix(self) -> str:
        """`stage/group.index#occurrence`."""
        return f"{self.stage.name}/{self.block_name}#{self.occurrence}"


def mode_loops(architecture: Architecture) -> dict[str, dict[str, int]]:
    """Loops by mode and stage: `full`, `single` where a stage loops, and the modes that the spec declares."""
    full = {stage.name: stage.loops for stage in architecture.stages}
    modes = {FULL: full}
    if any(loops > 1 for loops in full.values()):
        modes[SINGLE] = dict.fromkeys(full, 1)
    for name, change in architecture.modes.items():
        modes[name] = full | change
    return modes


def executions(architecture: Architecture, loops: Mapping[str, int]) -> tuple[Execution, ...]:
    """Every block execution of the mode with these loops, in order. A mode runs the first loops of a stage."""
    runs: list[Execution] = []
    start = 0
    for stage in architecture.stages:
        seen: Counter[int] = Counter()
        for unrolled in range(len(stage.path) * loops[stage.name]):
            loop, step = divmod(unrolled, len(stage.path))
            block = stage.path[step]
            runs.append(Execution(stage, loop, step, unrolled, block, seen[block], start + unrolled))
            seen[block] += 1
        start += len(stage.path) * stage.loops
    return tuple(runs)


def first_uses(runs: tuple[Execution, ...]) -> dict[tuple[str, int], int]:
    """Index of the first execution of each (group, block)."""
    first: dict[tuple[str, int], int] = {}
    for run in runs:
        first.setdefault((run.stage.blocks, run.block), run.index)
    return first


def block_of(architecture: Architecture, run: Execution) -> Block:
    """The physical block that an execution runs."""
    return architecture.blocks[run.stage.blocks][run.block]


def uses_value_embedding(architecture: Architecture, run: Execution) -> bool:
    """Whether the value embedding is added at this execution, by its block or by its position."""
    return block_of(architecture, run).value_embedding or run.step in run.stage.value_embedding_at


def uses_xsa(architecture: Architecture, run: Execution) -> bool:
    """Whether exclusive self-attention acts at this execution, by its block or by its position."""
    return block_of(architecture, run).attention.xsa or run.step in run.stage.xsa_at


def skip_pairs(runs: tuple[Execution, ...]) -> dict[int, int]:
    """U-Net skips of one stage in mode full: index of the receiving execution -> index of the one it receives.

    With n executions in a scope the first n // 2 push, the rest pop, last first; with odd n the last gets none. Other
    modes keep the pairs of which both ends run, so switching loops off never rebinds a skip.
    """
    pairs: dict[int, int] = {}
    for scope in _scopes(runs):
        half = len(scope) // 2
        for offset in range(half):
            pairs[scope[half + offset].index] = scope[half - 1 - offset].index
    return pairs


def _scopes(runs: tuple[Execution, ...]) -> list[list[Execution]]:
    if not runs or runs[0].stage.skips is None:
        return []
    if runs[0].stage.skips.scope == "path":
        return [list(runs)]
    loops: dict[int, list[Execution]] = {}
    for run in runs:
        loops.setdefault(run.loop, []).append(run)
    return list(loops.values())


def skip_key(run: Execution) -> int:
    """Which skip weight a receiving execution uses: its step where stacks are fresh in each loop, else its place."""
    assert run.stage.skips is not None
    return run.step if run.stage.skips.scope == "pass" else run.unrolled
