"""Pass `paths`: unrolls stages into block executions and settles how often each stage loops in each mode."""

from __future__ import annotations

from dataclasses import replace

from ..graph.executions import FULL, executions, mode_loops
from .draft import Draft


def expand_paths(draft: Draft) -> Draft:
    """Fills `loops` and `executions`."""
    loops = mode_loops(draft.spec.architecture)
    return replace(draft, loops=loops, executions=executions(draft.spec.architecture, loops[FULL]))
