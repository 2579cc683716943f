"""Adds the sites of one block execution: mix, attention, MLP; what varies by position is passed to the call."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..operations import DELTA_MATRICES, delta_slots
from ..spec.architecture import Architecture, Block
from .builder import GraphBuilder, make_site
from .executions import Event, Execution, block_of, dropped, uses_value_embedding, uses_xsa
from .frame import Frame
from .model import Port, Site, YamlPath
from .parts import is_private, part_path
from .shared_inputs import SharedInputs, rotary_key


class BlockUnroller:
    """Builds block executions of one mode."""

    def __init__(
        self,
        builder: GraphBuilder,
        architecture: Architecture,
        shared: SharedInputs,
        first_use: dict[tuple[str, int], int],
    ) -> None:
        self.builder, self.architecture, self.shared, self.first_use = builder, architecture, shared, first_use
        self.eps = architecture.model.norm_eps

    def block(self, stream: Port, run: Execution, frame: Frame) -> Port:
        """The stream after an execution; where lanes are apart they are in the frame, and this is the attention's."""
        block = block_of(self.architecture, run)
        lanes = frame.stage.lanes
        if lanes is not None and run.step is not None and run.step >= lanes.start and run.number is not None:
            return self._in_lanes(stream, block, run, frame)
        carried, stream = stream, self._position_vector(stream, run, frame)
        arrangement = block.residual.arrangement.kind
        if arrangement == "bounded":
            return self._bounded(carried, stream, block, run, frame)
        start = stream = self._mix(stream, block, run, "residual_mix")
        if arrangement == "parallel":
            read = start
            stream = self._add(run, "attention", stream, self._branch("attention", read, block, run, frame))
            stream = self._add(run, "mlp", stream, self._branch("mlp", read, block, run, frame))
        else:
            for branch in ("attention", "mlp"):
                for again in range(self._times(branch, run)):
                    output = self._branch(branch, stream, block, run, frame, again)
                    stream = self._add(run, branch, stream, output, again)
        return self._token_gate(start, stream, block, run)

    def merge_lanes(self, stream: Port, event: Event, frame: Frame) -> Port:
        """The mean of the lanes at the end of a loop or an extra cycle, the stream itself where they are not apart."""
        if frame.lanes is None:
            return stream
        origin: YamlPath = ("graph", frame.number, "lanes")
        kind = "loop" if event.kind == "end_loop" else "extra"
        site = make_site(f"{frame.prefix}/{kind}.{event.loop}/merge_lanes", "merge_lanes", origin=origin)
        attention, mlp = frame.lanes
        frame.lanes = None
        return self.builder.site(site, {"attention": attention, "mlp": mlp})

    def _times(self, branch: str, run: Execution) -> int:
        """How often a sublayer runs in this execution: not where it is dropped, twice where it fires again."""
        refire = run.stage.refire.get(branch)
        if dropped(run, branch):
            return 0
        return 2 if refire is not None and refire.holds(run.step, run.loop) else 1

    def _position_vector(self, stream: Port, run: Execution, frame: Frame) -> Port:
        vector = run.stage.position_vector
        if vector is None or run.number is None or not frame.has("position_vector"):
            return stream
        if not vector.at.holds(run.step, run.loop):
            return stream
        origin: YamlPath = ("graph", frame.number, "position_vector")
        site = make_site(f"{run.site_prefix}/position_vector", "add_vector", position=run.index, origin=origin)
        store = f"stages.{run.stage.name}.position_vector.{run.number}"
        return self.builder.site(site, {"x": stream}, {"vector": store})

    def _mix(self, stream: Port, block: Block, run: Execution, role: str) -> Port:
        if not block.residual.x0_mix:
            return stream
        site = self._site(run, role, "residual_mix", "residual")
        inputs = {"x": stream, "x0": self.shared.x0}
        return self.builder.site(site, inputs, {"mix": part_path(run, "residual_mix")})

    def _branch(self, branch: str, stream: Port, block: Block, run: Execution, frame: Frame, again: int = 0) -> Port:
        """Norm and sublayer; `again` counts earlier firings of the sublayer in this execution."""
        site = self._site(
            run,
            f"{branch}_norm{_suffix(again)}",
            "rms_norm",
            "residual",
            eps=self.eps,
            scale=self._norm_scale(block, run),
        )
        normed = self.builder.site(site, {"x": stream})
        if branch == "attention":
            return self._attention(normed, block, run, frame, again)
        module = part_path(run, "mlp")
        site = self._site(run, f"mlp{_suffix(again)}", "mlp", "mlp", module=module, activation=block.mlp.activation)
        slots = self.builder.slots(module, "gate", "up", "down") | self._deltas("mlp", run, frame)
        return self.builder.site(site, {"x": normed}, slots)

    def _attention(self, normed: Port, block: Block, run: Execution, frame: Frame, again: int) -> Port:
        module, inputs = part_path(run, "attention"), {"x": normed}
        rotary = rotary_key(self.architecture, block)
        if rotary is not None:
            inputs["rotary"] = self.shared.rotary[rotary]
        values = self._values(block, run, frame)
        if values is not None:
            inputs["values"] = values
        if self.shared.mask is not None:
            inputs["mask"] = self.shared.mask
        slots = self.builder.slots(module, "query", "query_down", "query_up", "key", "value", "output", "gain", "mix")
        if block.attention.q_gain is not None and is_private(run, "gain"):
            slots["gain"] = part_path(run, "gain")
        first = run.stage.value_residual is not None and (run.step, run.loop) == (0, 0) and frame.first_values is None
        operation = "attention_and_values" if first else "attention"
        constants = {"qk_norm": block.attention.qk_norm, "exclusive": uses_xsa(self.architecture, run)}
        if first:
            constants["return_values"] = True
        site = self._site(run, f"attention{_suffix(again)}", operation, "attention", module=module, **constants)
        output = self.builder.site(site, inputs, slots | self._deltas("attention", run, frame))
        if first:
            frame.first_values = Port(site.id, "values")
        return output

    def _values(self, block: Block, run: Execution, frame: Frame) -> Port | None:
        """What is added to the values: the value embedding, and values of the stage's first position."""
        values = None
        if uses_value_embedding(self.architecture, run) and frame.has("value_embedding"):
            values = self._scaled_values(block, run, frame)
        residual = run.stage.value_residual
        here = (run.step, run.loop) != (0, 0) and run.number is not None
        active = residual is not None and here and residual.at.holds(run.step, run.loop)
        if not active or frame.first_values is None or not frame.has("value_residual"):
            return values
        origin: YamlPath = ("graph", frame.number, "value_residual")
        first = frame.first_values
        if frame.detached:
            site = make_site(f"{run.site_prefix}/first_values_detach", "detach", position=run.index, origin=origin)
            first = self.builder.site(site, {"x": first})
        operation, inputs = "scale_values", {"values": first}
        if values is not None:
            operation, inputs = "add_values", {"values": values, "first": first}
        site = make_site(f"{run.site_prefix}/value_residual", operation, position=run.index, origin=origin)
        return self.builder.site(site, inputs, {"scale": f"stages.{run.stage.name}.value_residual.{run.number}"})

    def _scaled_values(self, block: Block, run: Execution, frame: Frame) -> Port:
        assert self.shared.values is not None
        by_block = block.value_embedding
        origin: YamlPath = ("graph", frame.number, "place", "value_embedding")
        if by_block:
            origin = ("blocks", run.stage.blocks, "value_embedding")
        store = part_path(run, "value_scale") if by_block else f"stages.{run.stage.name}.value_scale.{run.step}"
        site = make_site(f"{run.site_prefix}/value_scale", "scale_values", position=run.index, origin=origin)
        return self.builder.site(site, {"values": self.shared.values}, {"scale": store})

    def _deltas(self, sublayer: str, run: Execution, frame: Frame) -> dict[str, str]:
        """Low-rank additions of this execution to the sublayer's matrices, by slot."""
        delta = run.stage.delta
        if delta is None or run.number is None or not frame.has("delta") or not delta.at.holds(run.step, run.loop):
            return {}
        path = f"stages.{run.stage.name}.{sublayer}_delta.{run.number}"
        matrices = [name for name in DELTA_MATRICES[sublayer] if f"{sublayer}.{name}" in delta.matrices]
        return {slot: f"{path}.{slot}" for name in matrices for slot in delta_slots(name)}

    def _add(self, run: Execution, branch: str, stream: Port, output: Port, again: int = 0) -> Port:
        store = part_path(run, f"{branch}_scale")
        scaled = store in self.builder.graph.nx
        operation = "residual_add" if scaled else "residual_sum"
        site = self._site(run, f"{branch}_add{_suffix(again)}", operation, "residual")
        return self.builder.site(site, {"x": stream, "branch": output}, {"scale": store} if scaled else {})

    def _token_gate(self, start: Port, end: Port, block: Block, run: Execution) -> Port:
        if not block.residual.token_gate:
            return end
        path = part_path(run, "token_gate")
        slots = {"weight": f"{path}.weight", "bias": f"{path}.bias"}
        return self.builder.site(self._site(run, "token_gate", "token_gate", "residual"), _ends(start, end), slots)

    def _bounded(self, carried: Port, stream: Port, block: Block, run: Execution, frame: Frame) -> Port:
        """Bounded recurrence: the branches read the stream with its position vector, the carry goes without."""
        attention = self._branch("attention", stream, block, run, frame)
        site = self._site(run, "attention_add", "residual_sum", "residual")
        between = self.builder.site(site, {"x": stream, "branch": attention})
        mlp = self._branch("mlp", between, block, run, frame)
        tau = block.residual.arrangement.tau
        site = self._site(run, "bounded_update", "bounded_update", "residual", tau=tau)
        inputs = {"x": carried, "x0": self.shared.x0, "attention": attention, "mlp": mlp}
        return self.builder.site(site, inputs, {"gate": part_path(run, "recurrence_gate")})

    def _in_lanes(self, stream: Port, block: Block, run: Execution, frame: Frame) -> Port:
        """Attention reads its lane and the MLP its own; both outputs are written to both lanes."""
        apart = frame.lanes is not None
        lanes = dict(zip(("attention", "mlp"), frame.lanes or (stream, stream), strict=True))
        if apart:
            lanes["attention"] = stream  # a skip may have been added
        mixed: dict[str, Port] = {}
        for lane, port in lanes.items():
            same = not apart and lane == "mlp"
            mixed[lane] = mixed["attention"] if same else self._mix(port, block, run, f"{lane}_lane_mix")
        outputs = {}
        for branch in ("attention", "mlp"):
            output = self._branch(branch, mixed[branch], block, run, frame)
            outputs[branch] = self._scaled(run, branch, output)
        written = []
        for lane in ("attention", "mlp"):
            path = f"stages.{run.stage.name}.{lane}_lane.{run.number}"
            site = self._site(run, f"{lane}_lane", "write_lane", "residual")
            slots = {"residual": f"{path}.residual", "post": f"{path}.post"}
            written.append(self.builder.site(site, {"lane": mixed[lane], **outputs}, slots))
        frame.lanes = (written[0], written[1])
        return written[0]

    def _scaled(self, run: Execution, branch: str, output: Port) -> Port:
        store = part_path(run, f"{branch}_scale")
        if store not in self.builder.graph.nx:
            return output
        site = self._site(run, f"{branch}_scale", "scale_branch", "residual")
        return self.builder.site(site, {"branch": output}, {"scale": store})

    def _site(self, run: Execution, role: str, operation: str, part: str, **more: Any) -> Site:  # noqa: ANN401
        origin: YamlPath = ("blocks", run.stage.blocks, part)
        return make_site(f"{run.site_prefix}/{role}", operation, position=run.index, origin=origin, **more)

    def _norm_scale(self, block: Block, run: Execution) -> float:
        """1/sqrt(index + 1) under the block's rule (arXiv 2502.05795 calls it LayerNorm scaling)."""
        rule = block.residual.norm_scale
        if rule is None:
            return 1.0
        if rule.index == "explicit":
            assert rule.indices is not None
            index = rule.indices[run.block]
        else:
            first = self.first_use[run.stage.blocks, run.block]
            stored = self._blocks_before(run.stage.blocks) + run.block
            index = {"block": run.block, "stored": stored, "first_use": first, "site": run.anchor}[rule.index]
        return 1.0 / sqrt(index + 1)

    def _blocks_before(self, group: str) -> int:
        """Stored blocks of the groups that `blocks` lists before this one."""
        names = list(self.architecture.blocks)
        return sum(len(self.architecture.blocks[name]) for name in names[: names.index(group)])


def _suffix(again: int) -> str:
    return "" if again == 0 else f"_{again + 1}"


def _ends(start: Port, end: Port) -> dict[str, Port]:
    return {"start": start, "end": end}
