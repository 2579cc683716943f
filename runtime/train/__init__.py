"""The training loop and what it needs: cadence, averaging, checkpoints, metrics, progress and the run folder."""
