"""Numbers that several parts must agree on."""

from __future__ import annotations

FLOAT32_EPS = 1.1920928955078125e-07
"""2^-23, float32's epsilon: what torch adds to the mean square in an RMS norm where no eps is given."""
