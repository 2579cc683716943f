"""Sliding windows that score every target exactly once, each with as much context as a window holds.

The record scripts score the last `stride` targets again in ever shorter tail windows, or drop them; here the last
window ends at the last target and scores what is left.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Inputs tokens[start : start + length], targets one further; positions from `score_from` on are scored."""

    start: int
    length: int
    score_from: int

    @property
    def scored(self) -> int:
        """Number of scored targets."""
        return self.length - self.score_from


def check_windows(length: int, stride: int) -> None:
    """Raises ValueError where windows of this length cannot have this stride."""
    if length < 1 or not 1 <= stride <= length:
        raise ValueError(f"window length {length} and stride {stride}: 1 <= stride <= length is needed")


def sliding_windows(targets: int, length: int, stride: int) -> list[Window]:
    """Windows over `targets` targets at starts 0, stride, 2 * stride, ...

    The first scores all its positions, later ones their last `stride`; the last one is right-aligned, and scores only
    targets not yet seen. A text shorter than `length` is one short window. stride = length gives windows that do not
    overlap, but for the last.

    Raises:
        ValueError: `length` is not positive, or `stride` not within 1 and `length`.
    """
    check_windows(length, stride)
    if targets <= length:
        return [Window(0, targets, 0)] if targets > 0 else []
    windows = [Window(0, length, 0)]
    last = targets - length
    windows.extend(Window(start, length, length - stride) for start in range(stride, last + 1, stride))
    unseen = last % stride
    if unseen:
        windows.append(Window(last, length, length - unseen))
    return windows
