"""Recorded outputs of the reference systems: the tiny spec of each, and the map from its weights to our stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from loopspec.compiler import load_plan
from loopspec.compiler.emit.interpret import Interpretation, interpret
from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.plan import Plan

GOLDEN = Path(__file__).parent.parent / "golden"
SPECS = Path(__file__).parent.parent.parent / "specs"

Names = tuple[tuple[str, str], ...]
INPUTS = ("input_ids", "target_ids", "input_ids_2", "target_ids_2")


@cache
def recorded_arrays(vectors: str) -> Mapping[str, np.ndarray]:
    """Every array of a recording, by name."""
    with np.load(GOLDEN / f"{vectors}.npz") as data:
        return {name: data[name] for name in data.files}


@dataclass(frozen=True)
class Run:
    """A mode of ours, the recorded logits and losses that it must give, and the prefix of the recorded trace."""

    mode: str
    logits: tuple[str, ...] = ("logits",)
    loss: str | None = "loss"
    trace: str | None = None


@dataclass(frozen=True, eq=False)
class Golden:
    """A recorded system: vector file, spec, changes that make it as small as the recording, weight names.

    `names` are (pattern, replacement) pairs from our store names to the recorded ones (after `prefix`), where `@` picks
    a part of a stacked tensor by its indices (`@3`, `@:,3`). `trace` are (pattern, site) pairs from recorded modules to
    our sites, or to a value next to one (see golden_traces). `dead` are recorded weights that have no store here: a
    pattern and the reason.
    """

    vectors: str
    spec: Path
    sets: tuple[str, ...]
    names: Names
    runs: tuple[Run, ...]
    trace: Names = ()
    dead: Mapping[str, str] = field(default_factory=dict)
    prefix: str = "sd."

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        return recorded_arrays(self.vectors)

    def tensor(self, name: str) -> Tensor:
        value = torch.from_numpy(self.arrays[name])
        return value if value.is_floating_point() else value.long()

    def plan(self) -> Plan:
        return load_plan(self.spec, self.sets)

    def weights(self, stores: Iterable[str]) -> dict[str, Tensor]:
        """The recorded weights under our store names; every recorded tensor must be used, or be named as dead."""
        prefix = self.prefix
        recorded = {name.removeprefix(prefix): value for name, value in self.arrays.items() if name.startswith(prefix)}
        used: set[str] = set()
        weights = {}
        for store in stores:
            name, _, part = self.recorded_name(store).partition("@")
            used.add(name)
            where = tuple(slice(None) if index == ":" else int(index) for index in part.split(",") if index)
            weights[store] = torch.from_numpy(recorded[name])[where]
        dead = {name for name in recorded if any(re.fullmatch(pattern, name) for pattern in self.dead)}
        assert all(any(re.fullmatch(pattern, name) for name in dead) for pattern in self.dead), "a reason for nothing"
        assert not used & dead, f"dead, and yet loaded: {used & dead}"
        assert used | dead == recorded.keys(), f"recorded weights not loaded: {recorded.keys() - used - dead}"
        return weights

    def recorded_name(self, store: str) -> str:
        """The recorded name of one of our stores, with the part of a stacked tensor after `@`."""
        for pattern, replacement in self.names:
            if re.fullmatch(pattern, store):
                return re.sub(pattern, replacement, store)
        raise AssertionError(f"no recorded name for {store}")


@dataclass
class Loaded:
    """A golden's emitted module, with the recorded weights."""

    golden: Golden
    plan: Plan
    module: nn.Module
    weights: dict[str, Tensor]

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Recorded tokens and targets."""
        return self.golden.tensor("input_ids"), self.golden.tensor("target_ids")

    def interpret(self, mode: str) -> Interpretation:
        """Every value of a mode on the recorded batch, by port."""
        with torch.no_grad():
            return interpret(self.plan, mode, self.weights, *self.batch)


@cache
def loaded(golden: Golden) -> Loaded:
    """As `load`, the same each time, for tests that leave it as it is."""
    return load(golden)


def load(golden: Golden) -> Loaded:
    """Compiles the spec, emits the module, and loads the recorded weights into it, in evaluation mode."""
    plan = golden.plan()
    module = build_module(plan).eval()
    weights = golden.weights(store.name for store in plan.stores)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            assert parameter.shape == weights[name].shape, name
            parameter.copy_(weights[name])
    return Loaded(golden, plan, module, weights)
