"""What reading a run folder raises."""

from __future__ import annotations


class RecordError(ValueError):
    """A file of a run folder is damaged, or what is asked of runs is not in their records; the message names both."""
