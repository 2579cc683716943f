"""The error of the entropy coders."""

from __future__ import annotations


class EntropyError(ValueError):
    """Codes that cannot be written, or bytes that are not what a coder wrote. The message names place and mend."""
