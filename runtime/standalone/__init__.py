"""A script that stands alone: one spec's model, the reader of its artifact and its score, without loopspec installed.

Making one imports no torch.
"""
