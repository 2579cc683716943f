"""The `cadence` section: phases of training, when each ends, and the modes that its steps run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

FULL = "full"
SINGLE = "single"

UntilKind = Literal["steps", "tokens", "seconds", "fraction", "lr_warmdown"]


@dataclass(frozen=True, slots=True)
class Until:
    """When a phase ends: at the first step before which this has come true.

    Attributes:
        kind: steps done, tokens trained on, seconds of the training clock, share of train.stop.steps, or the
            learning rate's multiplier having fallen to `value` after warm-up.
        value: in the unit of the kind.
    """

    kind: UntilKind
    value: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A draw at each step of how often a stage loops, the other stages as the graph says.

    Attributes:
        loops: the least and the most loops, both included.
        mean: of the Poisson distribution; draws outside `loops` count as its nearer end. None: uniform.
        full_loops: how often the graph loops the stage; that many is mode full.
    """

    stage: str
    loops: tuple[int, int]
    distribution: Literal["uniform", "poisson"]
    mean: float | None
    full_loops: int

    def mode(self, loops: int) -> str:
        """Name of the mode in which the stage loops that often."""
        return FULL if loops == self.full_loops else sampled_name(self.stage, loops)

    @property
    def modes(self) -> dict[str, int]:
        """Mode -> loops of the stage, for every count that a step may draw."""
        least, most = self.loops
        return {self.mode(loops): loops for loops in range(least, most + 1)}


@dataclass(frozen=True, slots=True)
class Phase:
    """A pattern of modes that repeats over steps, or a draw at each step; exactly one of the two.

    `until` is None in the last phase, which ends with training.
    """

    pattern: tuple[str, ...] = ()
    until: Until | None = None
    sample: Sample | None = None

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that its steps may run, each once."""
        return tuple(dict.fromkeys(self.pattern)) if self.sample is None else tuple(self.sample.modes)


def sampled_name(stage: str, loops: int) -> str:
    """Name of the mode in which `stage` alone loops otherwise than in the graph, such as `core_3`."""
    return f"{stage}_{loops}"


def sampled_modes(phases: Sequence[Phase]) -> dict[str, dict[str, int]]:
    """The modes that sampling phases bring along, beside `full`: mode -> the stage that it changes -> its loops."""
    samples = [phase.sample for phase in phases if phase.sample is not None]
    return {mode: {sample.stage: loops} for sample in samples for mode, loops in sample.modes.items() if mode != FULL}


def stage_loops(plain: dict[str, Any]) -> dict[str, int]:
    """Loops of the graph's stages, from the default-filled document."""
    return {stage["stage"]: stage["loops"] for stage in plain["graph"]}


def build_cadence(plain: dict[str, Any]) -> tuple[Phase, ...]:
    """The phases of a checked, default-filled document."""
    loops = stage_loops(plain)
    return tuple(_phase(phase, loops) for phase in plain["cadence"])


def _phase(plain: dict[str, Any], loops: dict[str, int]) -> Phase:
    sample = plain.get("sample")
    return Phase(
        pattern=tuple(plain.get("pattern", ())),
        until=_until(plain["until"]) if "until" in plain else None,
        sample=None if sample is None else _sample(sample, loops[sample["stage"]]),
    )


def _until(plain: dict[UntilKind, float]) -> Until:
    ((kind, value),) = plain.items()
    return Until(kind, value)


def _sample(plain: dict[str, Any], full_loops: int) -> Sample:
    least, most = plain["loops"]
    return Sample(plain["stage"], (least, most), plain["distribution"], plain.get("mean"), full_loops)
