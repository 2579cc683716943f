"""Starts that are reached once and then hold for good."""

from __future__ import annotations

from collections.abc import Mapping

from ...compiler.spec.averaging import holds
from ...compiler.spec.clock import Moment
from ...compiler.spec.train import Start, Train


class Latches:
    """Several starts by name.

    Attributes:
        since: for each start that was reached, the first step, counted from 0, at which it held.
    """

    def __init__(self, starts: Mapping[str, Start], train: Train) -> None:
        self._starts = starts
        self._train = train
        self.since: dict[str, int] = {}

    def update(self, moment: Moment, scale: float) -> None:
        """Look at every start that was not reached yet, before the step that begins at `moment`."""
        for name, start in self._starts.items():
            if name not in self.since and holds(start, self._train, moment, scale):
                self.since[name] = moment.step
