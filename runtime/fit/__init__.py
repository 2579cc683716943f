"""The largest model of a family that fits a budget; needs no torch."""
