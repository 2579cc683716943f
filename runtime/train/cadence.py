"""Which mode a step runs in."""

from __future__ import annotations

from ...compiler.spec import Spec
from ...compiler.spec.clock import Moment
from ...compiler.spec.phase_steps import is_over
from ...compiler.spec.sampling import mode_at


class PhaseFollower:
    """Follows the phases of a cadence. It never goes back, also not after a resume, which hands it the phase.

    Attributes:
        phase: index of the phase of the last step.
    """

    def __init__(self, spec: Spec, phase: int = 0) -> None:
        assert 0 <= phase < len(spec.cadence), (phase, len(spec.cadence))
        self._cadence = spec.cadence
        self._train = spec.train
        self.phase = phase

    def mode_of(self, moment: Moment, scale: float) -> str:
        """Mode of the step that begins at `moment` with this learning-rate multiplier.

        A phase whose end has come before it began is passed over.
        """
        while self._is_over(moment, scale):
            self.phase += 1
        return mode_at(self._cadence[self.phase], self._train.seed, moment.step)

    def _is_over(self, moment: Moment, scale: float) -> bool:
        until = self._cadence[self.phase].until
        return until is not None and is_over(until, self._train, moment, scale)
