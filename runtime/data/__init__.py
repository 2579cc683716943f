"""Data: the embedded corpus, tokenizers, token shards, byte accounting and training batches. Imports no torch."""
