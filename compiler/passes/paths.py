"""Pass `paths`: settles how each stage runs in each mode, and unrolls stages into block executions."""

from __future__ import annotations

from dataclasses import replace

from ..graph.executions import Table
from ..graph.modes import resolve_modes
from .draft import Draft


def expand_paths(draft: Draft) -> Draft:
    """Fills `modes` and `table`."""
    modes = resolve_modes(draft.spec.architecture)
    return replace(draft, modes=modes, table=Table(draft.spec.architecture, modes))
