"""What a search raises for a fault of its user."""

from __future__ import annotations


class FitError(ValueError):
    """A search that cannot be made; the message says how to mend it."""
