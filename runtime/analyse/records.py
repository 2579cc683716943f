"""What `probe` finds, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...compiler.plan import Plan, PlannedStore


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is run.

    Attributes:
        steps: optimizer steps of each trained mode.
        sequence_length, batch: tokens of a sequence, sequences of a step.
        seed: of the weights' start and of random tokens.
        data: random tokens of the vocabulary, or the spec's own training data.
    """

    steps: int
    sequence_length: int
    batch: int
    seed: int
    data: Literal["random", "spec"]


@dataclass(frozen=True, slots=True)
class Moved:
    """One store in one step: norm of its gradient (None: none arrived) and of the change of its values."""

    gradient: float | None
    update: float

    @property
    def alive(self) -> bool:
        """Whether a gradient arrived that is not exactly zero."""
        return bool(self.gradient)


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step: its mode, its loss in nats a token, and what it did to each store."""

    mode: str
    loss: float
    stores: Mapping[str, Moved]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cosines between the gradients of a shared store's sites in one mode.

    Attributes:
        sites: how many read the store.
        silent: how many of them gave it no gradient, or exactly zero; they have no cosine.
        mean, lowest: over the pairs of the others; None where there is no pair.
    """

    store: str
    mode: str
    sites: int
    silent: int
    mean: float | None
    lowest: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """What a removal changed: rms(logits' - logits) / rms(logits), and the loss in nats."""

    logits: float
    loss: float


@dataclass(frozen=True, slots=True)
class Effect:
    """A feature's effect before and after the steps.

    Attributes:
        stage: the stage that it belongs to, None for the input side.
        mode: the mode that it was removed in.
        positions: where it acts; empty for what acts at no position.
        stores: the stores that belong to it.
    """

    feature: str
    stage: str | None
    mode: str
    positions: tuple[int, ...]
    stores: tuple[str, ...]
    start: Change
    end: Change

    @property
    def name(self) -> str:
        """`feature of stage`."""
        return self.feature if self.stage is None else f"{self.feature} of {self.stage}"

    @property
    def inert(self) -> bool:
        """Whether its removal changes nothing at all, neither at the start nor after the steps."""
        return self.start.logits == 0.0 and self.end.logits == 0.0


Level = Literal["error", "expected", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not work. Only an `error` fails: what is `expected` is a fault that the spec keeps."""

    kind: Literal["no_gradient", "no_update", "no_effect"]
    subject: str
    message: str
    level: Level = "error"


NOT_REMOVED = frozenset({"bounded", "differential", "lanes"})


@dataclass(frozen=True, slots=True)
class Probe:
    """All that was found.

    Attributes:
        modes: the modes that training runs, in the order in which each round ran them.
        data: what the tokens were.
        final: norms of the gradients after the last step, by mode and store.
    """

    plan: Plan
    settings: Settings
    modes: tuple[str, ...]
    data: str
    steps: tuple[Step, ...]
    final: Mapping[str, Mapping[str, float]]
    agreements: tuple[Agreement, ...]
    effects: tuple[Effect, ...]
    findings: tuple[Finding, ...]

    @property
    def not_removed(self) -> tuple[str, ...]:
        """Features of the plan whose effect is not measured: there is nothing to put in their place."""
        named = dict.fromkeys(name for position in self.plan.positions for name in position.features)
        return tuple(name for name in named if name.startswith("own_") or name in NOT_REMOVED)

    @property
    def ok(self) -> bool:
        """No error among the findings."""
        return all(finding.level != "error" for finding in self.findings)

    def steps_of(self, mode: str) -> tuple[Step, ...]:
        """The steps in a mode, in order."""
        return tuple(step for step in self.steps if step.mode == mode)

    def reached(self, store: PlannedStore, mode: str) -> bool:
        """Whether a gradient that is not zero arrived in any step of the mode."""
        return store.trainable and any(step.stores[store.name].alive for step in self.steps_of(mode))
