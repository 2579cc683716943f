"""Statistics against gradients of each site alone, over looped, tied and re-read stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.small_specs import Plain, plan_of, small
from torch import nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan
from loopspec.runtime.analyse.gradients import site_gradients, states_of
from loopspec.runtime.calibrate import CalibrationError, collect_statistics
from loopspec.runtime.calibrate.collect import Batch
from loopspec.runtime.quantize.statistics import StoreStatistics

GRID = {"kind": "rate_distortion"}
RULES = [{"match": {"ndim": 2, "min_elements": 64}, "scheme": GRID}, {"scheme": {"kind": "float16"}}]


def _plain(**sections: Any) -> Plain:
    stage = {"stage": "trunk", "blocks": "core", "loops": 2, **sections.pop("stage", {})}
    return small(graph=[stage], quantization={"rules": RULES}, **sections)


def _module(plan: Plan) -> nn.Module:
    module = build_module(plan, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.2)
    return module


def _batches(count: int, sequences: int, length: int, vocab_size: int = 11) -> list[Batch]:
    generator = torch.Generator().manual_seed(3)
    shape = (2, sequences, length)
    return [tuple(torch.randint(0, vocab_size, shape, generator=generator)) for _ in range(count)]


def _single_tokens(plan: Plan, module: nn.Module, batches: list[Batch]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of sequences of one token: (weighted, outputs times |x|^2), from the gradient g x^T of each site's own matrix."""
    weights = {name: value.detach() for name, value in module.named_parameters()}
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for batch in batches:
        for store, sites in site_gradients(plan, "full", weights, states_of(plan, module), batch).items():
            for (site, _), gradient in sites.items():
                if gradient.ndim != 2:
                    continue
                matrix = gradient.double().numpy()
                weighted = matrix.T @ matrix / len(matrix)
                if site == "input/embedding" or store.endswith("table"):
                    weighted = np.diag(np.diag(weighted))
                before = found.get(store, (0, 0))
                found[store] = (before[0] + weighted / len(batches), before[1] + (matrix**2).sum(axis=1) / len(batches))
    return found


def _assert_equal(one: dict[str, StoreStatistics], other: dict[str, StoreStatistics], rtol: float = 0.0) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert (one[name].tokens, one[name].sites) == (other[name].tokens, other[name].sites)
        for part in ("inputs", "weighted", "outputs"):
            first, second = getattr(one[name], part), getattr(other[name], part)
            np.testing.assert_allclose(
                first, second, rtol=rtol, atol=rtol * max(np.abs(second).max(), 1e-12), err_msg=name
            )


def test_each_site_alone():
    ngrams = [{"kind": "ngram_hash", "order": 2, "buckets": 16, "dim": 8}, {"kind": "rms_norm"}]
    plan = plan_of(_plain(model={"vocab_size": 11, "dim": 16, "input": ngrams}))
    module, batches = _module(plan), _batches(5, 1, 1)
    found = collect_statistics(plan, module, batches, "full", gradients="data")
    expected = _single_tokens(plan, module, batches)
    assert {"token_embedding.weight", "ngram_hash_2.table", "ngram_hash_2.projection"} <= found.keys()
    for name, statistics in found.items():
        np.testing.assert_allclose(statistics.weighted, expected[name][0], rtol=1e-4, atol=1e-9, err_msg=name)
    assert found["blocks.core.0.mlp.up"].sites == 2 and found["token_embedding.weight"].sites == 2


def test_inputs_and_outputs_of_one_token():
    plan = plan_of(_plain(stage={"loops": 1}))
    module, batches = _module(plan), _batches(1, 1, 1)
    found = collect_statistics(plan, module, batches, "full", gradients="data")
    expected = _single_tokens(plan, module, batches)
    for name in ("blocks.core.0.mlp.down", "blocks.core.1.attention.output"):
        statistics = found[name]
        power = np.trace(statistics.inputs)
        np.testing.assert_allclose(
            statistics.inputs * statistics.outputs.mean(), statistics.weighted, rtol=1e-4, atol=1e-9
        )
        np.testing.assert_allclose(statistics.outputs * power, expected[name][1], rtol=1e-4)
    embedding = found["token_embedding.weight"]  # the head's x x^T, of rank one, and a lookup of one row of eleven
    lowest = np.linalg.eigvalsh(embedding.inputs.astype(np.float64))[:-1]
    np.testing.assert_allclose(lowest, 1 / 11, rtol=1e-4)


def test_batches_are_means_and_their_sizes_change_nothing():
    plan = plan_of(_plain())
    module, batches = _module(plan), _batches(2, 3, 8)
    merged = [tuple(torch.cat(parts) for parts in zip(*batches, strict=True))]
    apart = collect_statistics(plan, module, batches, "full", gradients="data")
    _assert_equal(collect_statistics(plan, module, merged, "full", gradients="data"), apart, rtol=1e-4)
    each = [collect_statistics(plan, module, [batch], "full", gradients="data") for batch in batches]
    for name, whole in apart.items():
        assert whole.tokens == 48
        mean = (each[0][name].weighted + each[1][name].weighted) / 2
        np.testing.assert_allclose(whole.weighted, mean, rtol=1e-4, atol=1e-6 * mean.max())


def test_equal_calls_give_equal_bits():
    plan = plan_of(_plain())
    module, batches = _module(plan), _batches(2, 2, 8)
    once, again = (collect_statistics(plan, module, batches, "full") for _ in range(2))
    _assert_equal(once, again)
    data = collect_statistics(plan, module, batches, "full", gradients="data")
    name = "blocks.core.0.mlp.up"
    assert (once[name].inputs == data[name].inputs).all() and (once[name].weighted != data[name].weighted).any()


@pytest.mark.torture  # importing what recomputes takes seconds
def test_checkpointed_activations_are_counted_once():
    plain, kept = _plain(), _plain(stage={"checkpoint_activations": True})
    plan, checkpointed = plan_of(plain), plan_of(kept)
    batches = _batches(1, 2, 8)
    one = collect_statistics(plan, _module(plan), batches, "full")
    _assert_equal(collect_statistics(checkpointed, _module(checkpointed), batches, "full"), one)


def test_without_gradients():
    plan = plan_of(_plain())
    module, batches = _module(plan), _batches(1, 2, 8)
    found = collect_statistics(plan, module, batches, "full", gradients="none")
    full = collect_statistics(plan, module, batches, "full")
    for name, statistics in found.items():
        np.testing.assert_allclose(statistics.inputs, full[name].inputs, rtol=1e-5, atol=1e-7)
        assert statistics.weighted.shape == (0, 0) and statistics.outputs.shape == (0,)


def test_the_module_stays_as_it_was():
    plan = plan_of(_plain())
    module = _module(plan).train().requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    seen: list[int] = []
    collect_statistics(plan, module, _batches(3, 1, 4), "full", progress=seen.append)
    assert seen == [4, 8, 12] and all(part.training for part in module.modules())
    assert all(value.grad is None and not value.requires_grad for value in module.parameters())
    assert all((value == before[name]).all() for name, value in module.state_dict().items())


def test_chosen_stores():
    plan = plan_of(_plain())
    found = collect_statistics(plan, _module(plan), _batches(1, 1, 4), "full", stores=["blocks.core.1.mlp.up"])
    assert list(found) == ["blocks.core.1.mlp.up"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            [{"match": {"name": "*residual_mix"}, "scheme": GRID}],
            r"blocks\.core\.0\.residual_mix: .*__getitem__ reads it",
        ),
        (
            [{"match": {"name": "blocks.core.1.attention_scale"}, "scheme": GRID}],
            r"core\.1\.attention_scale: .*mul reads",
        ),
    ],
)
def test_stores_read_in_another_way(rules: list[Plain], message: str):
    plan = plan_of(small(quantization={"rules": [*rules, {"scheme": {"kind": "float16"}}]}))
    with pytest.raises(CalibrationError, match=message):
        collect_statistics(plan, _module(plan), _batches(1, 1, 4), "full")


def test_a_store_that_the_mode_leaves_out():
    modes = {"short": {"trunk": {"path": [0]}}}
    plan = plan_of(small(modes=modes, quantization={"rules": RULES}))
    with pytest.raises(
        CalibrationError, match=r"blocks\.core\.1\.\S+: .*nothing reads it in mode short, which activity"
    ):
        collect_statistics(plan, _module(plan), _batches(1, 1, 4), "short")


def test_no_tokens_and_values_that_are_not_finite():
    plan = plan_of(_plain())
    module = _module(plan)
    with pytest.raises(CalibrationError, match="calibration ran no tokens"):
        collect_statistics(plan, module, [], "full")
    with torch.no_grad():
        dict(module.named_parameters())["blocks.core.1.mlp.up"].fill_(float("inf"))
    with pytest.raises(CalibrationError, match=r"not finite.*pack an earlier checkpoint"):
        collect_statistics(plan, module, _batches(1, 1, 4), "full", gradients="data")
