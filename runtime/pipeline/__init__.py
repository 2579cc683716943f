"""The whole way, phase by phase: prepare data, train, score, pack, score the artifact in a fresh process, report."""
