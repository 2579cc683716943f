"""Which mode a step runs in."""

from __future__ import annotations

from ...compiler.spec import Spec
from ...compiler.spec.phase_steps import end_step
from ...compiler.spec.sampling import mode_at


class PhaseFollower:
    """Follows the phases of a cadence. It never goes back, also not after a resume, which hands it the phase.

    Attributes:
        phase: index of the phase of the last step.
    """

    def __init__(self, spec: Spec, phase: int = 0) -> None:
        assert 0 <= phase < len(spec.cadence), (phase, len(spec.cadence))
        self._cadence = spec.cadence
        self._ends = [end_step(item.until, spec.train) for item in spec.cadence]
        self._seed = spec.train.seed
        self.phase = phase

    def mode_of(self, step: int, seconds: float) -> str:
        """Mode of optimizer step `step`, counted from 0, that begins when the training clock shows `seconds`.

        A phase whose end has come before it began is passed over.
        """
        while self._is_over(step, seconds):
            self.phase += 1
        return mode_at(self._cadence[self.phase], self._seed, step)

    def _is_over(self, step: int, seconds: float) -> bool:
        until, end = self._cadence[self.phase].until, self._ends[self.phase]
        if until is None:
            return False
        return seconds >= until.value if end is None else step >= end
