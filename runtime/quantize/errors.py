"""The error of the quantizers."""

from __future__ import annotations


class QuantizeError(ValueError):
    """A tensor that its scheme cannot store. The message names the store, the place in it and the mend."""
