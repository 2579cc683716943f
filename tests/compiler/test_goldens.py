"""The emitted modules compute what the reference systems computed, with the originals' weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.goldens import GOLDENS, Golden

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module

TOLERANCE = 2e-5


def _loaded(golden: Golden) -> torch.nn.Module:
    plan = load_plan(golden.spec_path, golden.sets)
    module = build_module(plan)
    weights = golden.weights([store.name for store in plan.stores])
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            assert parameter.shape == weights[name].shape, name
            parameter.copy_(weights[name])
    return module


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.vectors)
def test_logits_and_loss_match_the_recording(golden: Golden) -> None:
    arrays = golden.arrays()
    module = _loaded(golden)
    tokens = torch.from_numpy(arrays["input_ids"]).long()
    targets = torch.from_numpy(arrays["target_ids"]).long()
    with torch.no_grad():
        for mode, suffix in golden.modes:
            logits = module(tokens, mode=mode)
            loss = module(tokens, targets, mode=mode)
            np.testing.assert_allclose(logits.numpy(), arrays[f"logits{suffix}"], rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(loss.item(), arrays[f"loss{suffix}"], rtol=0, atol=TOLERANCE)


def test_modes_of_the_crawler_differ() -> None:
    golden = next(golden for golden in GOLDENS if len(golden.modes) == 2)
    module = _loaded(golden)
    tokens = torch.from_numpy(golden.arrays()["input_ids"]).long()
    assert not torch.allclose(module(tokens), module(tokens, mode="single"), atol=1e-3)
