"""What an analysis raises for faults that its user can mend; each message names the place and the mend."""

from __future__ import annotations


class AnalysisError(RuntimeError):
    """A model, a mode or a file that cannot be analysed as asked."""
