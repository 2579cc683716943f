"""Optimizers by group of stores, and the schedules that drive them."""
