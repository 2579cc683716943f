"""Which mode a step runs in."""

from __future__ import annotations

from collections.abc import Sequence

from ...compiler.spec import Phase


def mode_at(cadence: Sequence[Phase], step: int) -> str:
    """Mode of optimizer step `step`, counted from 0.

    A phase holds up to, not including, its `until`; the first phase that still holds is taken. The pattern repeats
    over the absolute step, `pattern[step % len(pattern)]`, as in the published runs, so a change of phase does not
    restart the pattern at its first entry.
    """
    for phase in cadence:
        if phase.until is None or step < phase.until:
            return phase.pattern[step % len(phase.pattern)]
    raise AssertionError(f"step {step} lies after the last phase of the cadence")
