"""Gradients by site add up to the module's; cosines are those of the gradients."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from support.probes import gated, looped
from support.small_specs import group, plan_of, small

from loopspec.compiler.emit.loader import build_module
from loopspec.runtime.analyse.gradients import agreements, site_gradients, states_of, summed_norms


def _shifted(plan):
    """The module away from its start, where many gradients are zero, and a batch."""
    module = build_module(plan, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    tokens = torch.randint(0, 11, (2, 9), generator=generator)
    return module.train(), (tokens[:, :-1], tokens[:, 1:])


@pytest.mark.parametrize("plain", [small(), looped(), gated("ema_gate"), gated("mean")])
def test_sites_add_up_to_the_module(plain):
    plan = plan_of(plain)
    module, batch = _shifted(plan)
    for mode in plan.modes:
        found = site_gradients(plan, mode, dict(module.named_parameters()), states_of(plan, module), batch)
        module.zero_grad()
        module(*batch, mode=mode).backward()
        norms = summed_norms(found)
        for name, parameter in module.named_parameters():
            if parameter.grad is None:
                assert norms.get(name, 0.0) == 0.0, name
                continue
            whole = torch.stack(list(found[name].values())).sum(0)
            torch.testing.assert_close(whole, parameter.grad, rtol=1e-4, atol=1e-6)
            assert norms[name] == pytest.approx(parameter.grad.norm().item(), rel=1e-4, abs=1e-6)


def test_cosines_are_those_of_every_pair():
    plan = plan_of(looped(graph=[{"stage": "trunk", "blocks": "crawler", "loops": 3}], blocks={"crawler": group(1)}))
    module, batch = _shifted(plan)
    found = site_gradients(plan, "full", dict(module.named_parameters()), {}, batch)
    agreed = {item.store: item for item in agreements("full", found)}
    assert "blocks.crawler.0.mlp.up" in agreed and "smear_gate.gate" not in agreed
    for name, item in agreed.items():
        pairs = combinations([value.flatten().double() for value in found[name].values()], 2)
        cosines = [torch.nn.functional.cosine_similarity(a, b, dim=0).item() for a, b in pairs]
        assert (item.sites, item.silent) == (len(found[name]), 0)
        assert item.mean == pytest.approx(sum(cosines) / len(cosines), abs=1e-5)
        assert item.lowest == pytest.approx(min(cosines), abs=1e-5)


def test_a_site_without_gradient_is_silent_and_has_no_cosine():
    values = {("a", "weight"): torch.tensor([1.0, 0.0]), ("b", "weight"): torch.zeros(2)}
    (lone,) = agreements("full", {"store": values})
    assert (lone.sites, lone.silent, lone.mean, lone.lowest) == (2, 1, None, None)
    (pair,) = agreements("full", {"store": {**values, ("c", "weight"): torch.tensor([-2.0, 0.0])}})
    assert (pair.sites, pair.silent, pair.mean, pair.lowest) == (3, 1, -1.0, -1.0)
