"""SmearGate: what a token takes from the one before it."""

from __future__ import annotations

import torch

from loopspec.compiler.modules import SmearGate


def test_the_first_token_has_nothing_before_it_and_the_others_blend() -> None:
    gate = SmearGate(4)
    with torch.no_grad():
        gate.gate.copy_(torch.tensor([0.0, 1.0, -2.0, 30.0]))
    x = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    share = torch.tensor([0.0, 1.0, -2.0, 30.0]).sigmoid()
    y = gate(x)
    torch.testing.assert_close(y[:, 0], (1 - share) * x[:, 0])
    torch.testing.assert_close(y[:, 1:], (1 - share) * x[:, 1:] + share * x[:, :-1])


def test_rows_do_not_mix() -> None:
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1))
    gate = SmearGate(4)
    assert torch.equal(gate(x)[1:], gate(x[1:]))
