"""From an entry of `graph`, or a mode's change of it, to the frozen stage."""

from __future__ import annotations

from typing import Any

from .init import Init
from .ranges import expand_numbers, expand_path
from .stage import (
    AuxiliaryLoss,
    Between,
    Combine,
    Delta,
    Extra,
    Firing,
    Lanes,
    PlacedVector,
    Private,
    Skips,
    SkipTrace,
    Stage,
    StageMode,
    ValueResidual,
    Vector,
    Where,
)

Plain = dict[str, Any]


def build_init(plain: Plain) -> Init:
    """How a store starts."""
    return Init(**plain)


def build_where(plain: str | list[int | str] | Plain) -> Where:
    """`all`, a list of positions, or positions and loops. Raises PathError for a range that runs backwards."""
    if isinstance(plain, str):
        return Where()
    chosen = plain if isinstance(plain, dict) else {"positions": plain}
    numbers = {key: expand_numbers(chosen[key]) for key in ("positions", "loops") if key in chosen}
    return Where(numbers.get("positions"), numbers.get("loops"))


def build_stage(plain: Plain, count: int) -> Stage:
    """A stage over a group of `count` blocks. Raises PathError for a path or range without meaning."""
    vector, residual = plain["position_vector"], plain["value_residual"]
    delta, auxiliary = plain["delta"], plain["auxiliary_loss"]
    return Stage(
        name=plain["stage"],
        blocks=plain["blocks"],
        path=expand_path(plain["path"], count),
        loops=plain["loops"],
        inside=plain["inside"],
        firing=_firing(plain["firing"]),
        loop_vector=_optional(_vector, plain["loop_vector"]),
        position_vector=None if vector is None else PlacedVector(_vector(vector), build_where(vector["at"])),
        skips=_optional(lambda value: Skips(**value), plain["skips"]),
        between=_optional(lambda value: Between(**value), plain["between"]),
        lanes=_optional(lambda value: Lanes(**value), plain["lanes"]),
        place=_wheres(plain["place"]),
        private={part: _private(value) for part, value in plain["private"].items()},
        delta=None if delta is None else Delta(delta["rank"], tuple(delta["matrices"]), build_where(delta["at"])),
        value_residual=None if residual is None else ValueResidual(residual["init"], build_where(residual["at"])),
        drop=_wheres(plain["drop"]),
        refire=_wheres(plain["refire"]),
        auxiliary_loss=None if auxiliary is None else _auxiliary_loss(auxiliary),
        backpropagate_loops=plain["backpropagate_loops"],
        skip_trace=_optional(lambda value: SkipTrace(**value), plain["skip_trace"]),
        checkpoint_activations=plain["checkpoint_activations"],
    )


def build_stage_mode(plain: Plain, count: int) -> StageMode:
    """What a mode changes of a stage over a group of `count` blocks. Raises PathError likewise."""
    extra = plain.get("extra")
    return StageMode(
        loops=plain.get("loops"),
        path=expand_path(plain["path"], count) if "path" in plain else None,
        extra=None if extra is None else _extra(extra),
        without=tuple(plain.get("without", ())),
    )


def _optional(build: Any, plain: Plain | None) -> Any:  # noqa: ANN401 - whatever `build` gives
    return None if plain is None else build(plain)


def _vector(plain: Plain) -> Vector:
    return Vector(build_init(plain["init"]), plain["dtype"])


def _wheres(plain: Plain) -> dict[str, Where]:
    return {name: build_where(value) for name, value in plain.items()}


def _private(plain: str | list[int | str] | Plain) -> Private:
    return Private(build_where(plain), isinstance(plain, dict) and plain.get("keep_shared", False))


def _firing(plain: Plain) -> Firing:
    combine = plain.get("combine")
    if combine is None:
        return Firing(plain["kind"])
    inits = {"gate_init": build_init(combine["gate_init"])} if "gate_init" in combine else {}
    return Firing(plain["kind"], Combine(**(combine | inits)))


def _auxiliary_loss(plain: Plain) -> AuxiliaryLoss:
    weights = plain.get("weights")
    return AuxiliaryLoss(plain["kind"], None if weights is None else tuple(map(float, weights)))


def _extra(plain: Plain) -> Extra:
    numbers = {key: expand_numbers(plain[key]) for key in ("positions", "blocks") if key in plain}
    return Extra(plain["times"], numbers.get("positions"), numbers.get("blocks"), plain.get("stop_below"))
