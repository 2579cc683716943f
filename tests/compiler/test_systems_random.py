"""Reference systems of random sizes and flags: emitted modules against an implementation of its own in plain torch."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from random import Random

import pytest
import torch
import yaml
from support.reference_block import Stores
from support.reference_ends import buckets_of, finish
from support.reference_systems import Memory, Pass, System
from support.system_draws import SYSTEMS
from support.system_specs import dead_stores, document, evaluated_modes, trained_modes
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.modules.embedding import hash_ngrams

TOLERANCE = 2e-5
GRADIENT_TOLERANCE = 2e-4
CASES = {"pr857": 4, "pr498": 2, "pr167_mlx": 2}  # those with the most flags; one of each other system


def perturbed(module: nn.Module, generator: torch.Generator) -> Stores:
    """Moves every store away from its start; the same weights in float64."""
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim == 2:
                parameter.copy_(noise / parameter.shape[1] ** 0.5)
            else:
                parameter.add_(0.3 * noise)
    weights = {name: parameter.detach().double() for name, parameter in module.named_parameters()}
    return Stores({name: weight.requires_grad_() for name, weight in weights.items()})


def reference(system: System, w: Stores, batch: tuple[Tensor, Tensor], run: Pass) -> tuple[Tensor, Tensor]:
    x = system.stream(w, batch[0], run)
    return finish(w, x, batch[1], system.ends, training=run.training)


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float, what: str) -> None:
    error = (ours.detach().double() - theirs.detach()).abs().max().item()
    size = max(1.0, theirs.abs().max().item())
    assert error <= tolerance * size, f"{what}: {error:.3g} apart, of {size:.3g}"


def batches(system: System, r: Random, count: int) -> list[tuple[Tensor, Tensor]]:
    """Tokens and targets; short ones too, where the further heads have targets left."""
    heads = system.ends.further_heads
    length = r.choice([1, 2, 3, 7, 11, 11]) if not heads else r.choice([heads + 2, 11])
    rows, vocab = r.choice([1, 2, 3]), system.ends.vocab
    generator = torch.Generator().manual_seed(r.randrange(2**31))
    drawn = torch.randint(vocab, (count, rows, length + 1), generator=generator)
    return [(one[:, :-1], one[:, 1:]) for one in drawn]


def check_evaluation(system: System, module: nn.Module, w: Stores, r: Random) -> None:
    memory: Memory = {}
    module.eval()
    modes = evaluated_modes(system)
    for mode, batch in zip(modes, batches(system, r, len(modes)), strict=True):
        run = Pass(mode=mode, training=False, memory=memory)
        with torch.no_grad():
            logits, loss = reference(system, w, batch, run)
            assert_close(module(batch[0], mode=mode), logits, TOLERANCE, f"logits of {mode}")
    with torch.no_grad():
        assert_close(module(*batch, mode=mode), loss, TOLERANCE, f"loss of {mode}")


def check_training(system: System, module: nn.Module, w: Stores, r: Random) -> None:
    memory: Memory = {}
    module.train()
    modes = trained_modes(system)
    for step, (mode, batch) in enumerate(zip(modes, batches(system, r, len(modes)), strict=True)):
        run = Pass(mode=mode, training=True, memory=memory)
        _, loss = reference(system, w, batch, run)
        gradients = torch.autograd.grad(loss, list(w.values()), allow_unused=True)
        module.zero_grad()
        trained = module(*batch, mode=mode)
        assert_close(trained, loss, TOLERANCE, f"training loss of step {step}, {mode}")
        trained.backward()
        for (name, parameter), gradient in zip(module.named_parameters(), gradients, strict=True):
            ours = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            theirs = gradient if gradient is not None else torch.zeros_like(ours, dtype=torch.float64)
            assert_close(ours, theirs, GRADIENT_TOLERANCE, f"gradient of {name} in step {step}, {mode}")


def check(name: str, seed: int, folder: Path) -> None:
    r = Random(f"{name} {seed}")
    system = SYSTEMS[name](r)
    print(f"{name} {seed}: {system}")  # shown where it fails
    spec = folder / "spec.yaml"
    spec.write_text(yaml.dump(document(system), Dumper=yaml.CSafeDumper, sort_keys=False))
    plan = load_plan(spec)
    module = build_module(plan)
    w = perturbed(module, torch.Generator().manual_seed(seed))
    assert set(w) == {store.name for store in plan.stores}
    check_evaluation(system, deepcopy(module), w, r)
    check_training(system, module, w, r)
    assert set(w) - w.read == dead_stores(system)


@pytest.mark.parametrize(("order", "buckets"), [(2, 48), (3, 48), (2, 2), (3, 8192)])
def test_hashes_of_a_large_vocabulary_overflow_as_int32(order: int, buckets: int) -> None:
    ids = torch.randint(65536, (4, 50), generator=torch.Generator().manual_seed(order))
    ids[0, :4] = torch.tensor([65535, 65535, 41581, 59139])
    assert torch.equal(hash_ngrams(ids, order, buckets), buckets_of(ids, order, buckets))


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for name in SYSTEMS for seed in range(CASES.get(name, 1))])
def test_reference_system_of_random_size(name: str, seed: int, tmp_path: Path) -> None:
    check(name, seed, tmp_path)


@pytest.mark.torture
@pytest.mark.parametrize("first", range(0, 320, 20))
@pytest.mark.parametrize("name", SYSTEMS)
def test_reference_systems_of_many_sizes(name: str, first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 20):
        check(name, seed, tmp_path)
