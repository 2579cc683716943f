"""Thin products and the pairs that deltas come in."""

from __future__ import annotations

import pytest
import torch

from loopspec.compiler.modules.low_rank import add_delta, check_deltas, low_rank


def test_a_low_rank_product_is_that_of_the_two_matrices() -> None:
    x, down, up = (
        torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in ((2, 3, 5), (2, 5), (4, 2))
    )
    torch.testing.assert_close(low_rank(x, down, up), torch.einsum("btd,rd,or->bto", x, down, up))
    y = torch.ones(2, 3, 4)
    torch.testing.assert_close(
        add_delta(y, x, "key", {"key_delta_down": down, "key_delta_up": up}), y + x @ (up @ down).T
    )
    assert add_delta(y, x, "key", {"query_delta_down": down, "query_delta_up": up}) is y


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["up_delta_down"], "delta of up is not a pair"),
        (["up_delta_up"], "delta of up is not a pair"),
        (["side_delta_down", "side_delta_up"], "no such delta: side_delta_down, side_delta_up; slots: up, down"),
        (["up"], "no such delta: up;"),
    ],
)
def test_a_delta_that_would_be_ignored_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_deltas(("up", "down"), dict.fromkeys(names, torch.zeros(1, 1)))


def test_pairs_are_accepted() -> None:
    check_deltas(("up", "down"), {})
    check_deltas(("up", "down"), dict.fromkeys(["down_delta_up", "down_delta_down"], torch.zeros(1, 1)))
