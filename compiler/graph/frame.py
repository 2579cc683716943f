"""A stage that is being unrolled: what its later events need of the earlier ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..spec.stage import Stage
from .model import Port
from .modes import StagePath


@dataclass(slots=True)
class Frame:
    """One entry of a stage.

    Attributes:
        number: the stage's index in the spec's graph.
        start: the stream where the stage was entered; parallel firings all begin there.
        firings: outputs of parallel firings so far.
        outputs: output of each execution so far, which skips read.
        first_values: values of the stage's first position, which a value residual reads.
        lanes: streams of attention and of the MLP, where they are apart.
        before: the stream before the current extra cycle.
        detached: executions before the loop from which gradients flow; later ones read their values without gradient.
    """

    stage: Stage
    path: StagePath
    number: int
    entry: int
    start: Port
    firings: list[Port] = field(default_factory=list)
    outputs: dict[int, Port] = field(default_factory=dict)
    first_values: Port | None = None
    lanes: tuple[Port, Port] | None = None
    before: Port | None = None
    detached: frozenset[int] = frozenset()

    def has(self, feature: str) -> bool:
        """Whether the mode leaves a feature of the stage on."""
        return feature not in self.path.without

    @property
    def prefix(self) -> str:
        """`stage` of the first entry, `stage.entry` of later ones."""
        return self.stage.name if self.entry == 0 else f"{self.stage.name}.{self.entry}"
