"""Declares the stores and states of a stage: what varies by loop or by position, gates of firings, traces."""

from __future__ import annotations

from collections.abc import Callable

from ..operations import FIRING_RULES, delta_slots
from ..spec.architecture import Architecture
from ..spec.init import Init
from ..spec.stage import Stage, Vector
from .builder import GraphBuilder
from .declare_block import DECLARATIONS, PartDeclaration, has_part
from .executions import Execution, Table, block_of, skip_key, skip_pairs
from .model import Group, State, Store, YamlPath
from .modes import FULL
from .parts import is_private

ONES = Init("constant", value=1.0)


def declare_stage(
    builder: GraphBuilder, architecture: Architecture, stage: Stage, table: Table, origin: YamlPath
) -> None:
    """Everything of one stage, in public order."""
    _StageDeclaration(builder, architecture, stage, table, origin).declare()


class _StageDeclaration:
    def __init__(
        self, builder: GraphBuilder, architecture: Architecture, stage: Stage, table: Table, origin: YamlPath
    ) -> None:
        self.builder, self.architecture, self.stage, self.origin = builder, architecture, stage, origin
        self.dim, self.prefix = architecture.model.dim, f"stages.{stage.name}"
        self.all_runs = [run for run in table.runs(FULL) if run.stage is stage]
        self.runs = {run.number: run for run in self.all_runs if run.number is not None}

    def declare(self) -> None:
        self._vectors()
        self._skips()
        self._positions()
        self._private()
        self._deltas()
        self._firing()
        self._rest()

    def _store(
        self,
        name: str,
        shape: tuple[int, ...],
        init: Init,
        cause: str,
        group: Group = "scalars",
        *more: str,
        acts_at_zero: bool = False,
    ) -> None:
        origin: YamlPath = (*self.origin, cause, *more)
        self.builder.store(Store(f"{self.prefix}.{name}", shape, group, init, origin=origin, acts_at_zero=acts_at_zero))

    def _vectors(self) -> None:
        stage = self.stage
        if stage.loop_vector is not None:
            self._family("loop_vector", range(stage.loops), stage.loop_vector)
        if stage.position_vector is not None:
            where = stage.position_vector.at
            numbers = [number for number, run in self.runs.items() if where.holds(run.step, run.loop)]
            self._family("position_vector", numbers, stage.position_vector.vector)

    def _family(self, name: str, numbers: range | list[int], vector: Vector) -> None:
        """Vectors that start jointly, as the rows of one matrix."""
        family = tuple(f"{self.prefix}.{name}.{number}" for number in numbers)
        for store in family:
            path: YamlPath = (*self.origin, name)
            self.builder.store(Store(store, (self.dim,), "scalars", vector.init, vector.dtype, path, family))

    def _skips(self) -> None:
        skips = self.stage.skips
        if skips is None:
            return
        pairs = skip_pairs(tuple(self.all_runs))
        for key in sorted({skip_key(run) for run in self.all_runs if run.index in pairs}):
            self._store(f"skip_weight.{key}", (self.dim,), Init("constant", value=skips.init), "skips")
            if skips.gated:
                self._store(f"skip_gate.{key}", (self.dim,), Init("zero"), "skips", acts_at_zero=True)

    def _positions(self) -> None:
        """Scales of what is placed: one for each position of the path, shared by the loops."""
        place = self.stage.place.get("value_embedding")
        if place is not None:
            value = self.architecture.model.value_embedding
            assert value is not None
            for step in sorted({run.step for run in self._at(place.holds) if run.step is not None}):
                init = Init("constant", value=value.position_scale)
                self._store(f"value_scale.{step}", (1,), init, "place", "scalars", "value_embedding")
        residual = self.stage.value_residual
        if residual is not None:
            for run in self._at(residual.at.holds):
                if (run.step, run.loop) != (0, 0):  # the first position has nothing before it
                    init = Init("constant", value=residual.init)
                    self._store(f"value_residual.{run.number}", (), init, "value_residual")
        if self.stage.lanes is not None:
            self._lanes(self.stage.lanes.start)

    def _at(self, holds: Callable[[int | None, int], bool]) -> list[Execution]:
        return [run for run in self.runs.values() if holds(run.step, run.loop)]

    def _lanes(self, start: int) -> None:
        for number, run in self.runs.items():
            if run.step is not None and run.step >= start:
                for lane in ("attention", "mlp"):
                    self._store(f"{lane}_lane.{number}.residual", (), ONES, "lanes")
                    self._store(f"{lane}_lane.{number}.post", (2,), ONES, "lanes")

    def _private(self) -> None:
        for part in self.stage.private:
            for number, run in self.runs.items():
                block = block_of(self.architecture, run)
                if is_private(run, part) and has_part(block, part):
                    path = f"{self.prefix}.{part}.{number}"
                    origin: YamlPath = (*self.origin, "private", part)
                    DECLARATIONS[part](PartDeclaration(self.builder, self.architecture, block, path, origin))

    def _deltas(self) -> None:
        delta = self.stage.delta
        if delta is None:
            return
        for run in self._at(delta.at.holds):
            for matrix in delta.matrices:
                sublayer, slot = matrix.split(".")
                rows, columns = self._matrix_shape(run, sublayer, slot)
                down, up = (f"{sublayer}_delta.{run.number}.{name}" for name in delta_slots(slot))
                self._store(down, (delta.rank, columns), Init("uniform_fan_in"), "delta", "matrices")
                self._store(up, (rows, delta.rank), Init("zero"), "delta", "matrices")

    def _matrix_shape(self, run: Execution, sublayer: str, slot: str) -> tuple[int, int]:
        block = block_of(self.architecture, run)
        attention, hidden = block.attention, block.mlp.width(self.dim)
        width = attention.kv_heads * (self.dim // attention.heads)
        query = self.dim * (2 if attention.differential else 1)
        shapes = {
            "attention": {
                "query": (query, self.dim),
                "key": (width, self.dim),
                "value": (width, self.dim),
                "output": (self.dim, self.dim),
            },
            "mlp": {"gate": (hidden, self.dim), "up": (hidden, self.dim), "down": (self.dim, hidden)},
        }
        return shapes[sublayer][slot]

    def _firing(self) -> None:
        combine = self.stage.firing.combine
        if combine is None:
            return
        origin: YamlPath = (*self.origin, "firing", "combine")
        for own in FIRING_RULES[combine.kind].own(combine, self.dim, self.stage.loops):
            name = f"{self.prefix}.{own.name}"
            if own.state:
                self.builder.state(State(name, own.shape, own.dtype, origin))
            else:
                group: Group = "matrices" if len(own.shape) == 2 else "scalars"
                self.builder.store(
                    Store(name, own.shape, group, own.init, own.dtype, origin, acts_at_zero=own.acts_at_zero)
                )

    def _rest(self) -> None:
        stage = self.stage
        if stage.between is not None and stage.between.kind == "bottleneck":
            assert stage.between.dim is not None
            inner = stage.between.dim
            self._store("bottleneck.down", (inner, self.dim), Init("orthogonal", gain=1.0), "between", "matrices")
            self._store("bottleneck.up", (self.dim, inner), Init("zero"), "between", "matrices")
        if stage.auxiliary_loss is not None and stage.auxiliary_loss.kind == "learned":
            origin: YamlPath = (*self.origin, "auxiliary_loss")
            self.builder.store(
                Store(
                    f"{self.prefix}.loss_weight",
                    (stage.loops,),
                    "scalars",
                    Init("zero"),
                    origin=origin,
                    exported=False,
                    acts_at_zero=True,
                )
            )
        if stage.skip_trace is not None:
            trace = stage.skip_trace
            self._store("trace.inject", (), Init("constant", value=trace.inject), "skip_trace", acts_at_zero=True)
            self._store("trace.decay", (), Init("constant", value=trace.decay), "skip_trace", acts_at_zero=True)
            origin = (*self.origin, "skip_trace")
            self.builder.state(State(f"{self.prefix}.trace.delta", (), origin=origin, exported=False))
            self.builder.sublayer(f"{self.prefix}.trace", "SkipTrace()")
