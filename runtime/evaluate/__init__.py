"""Evaluation: windows that score every target once, bits per byte, and the yardsticks of general compressors."""
