"""Experiments on a spec's module that are no training run: what learns, what acts, what agrees."""
