"""Emission: from a plan to readable source, a loaded module and the dedup map. Building a module imports torch."""
