"""Adds the sites of one mode: the input side, the events of its program, the output side."""

from __future__ import annotations

from collections.abc import Callable

from ..operations import FIRING_RULES
from ..spec.architecture import Architecture
from .builder import GraphBuilder, make_site
from .combine import StageCombiner
from .declare import input_names
from .executions import Event, Table, dropped, first_uses, skip_key, skip_pairs
from .frame import Frame
from .losses import LossBuilder
from .model import Port, YamlPath
from .modes import TRAINING
from .shared_inputs import build_shared_inputs
from .unroll_block import BlockUnroller


class ModeUnroller:
    """Adds the flow of modes to the builder's graph, one after the other."""

    def __init__(self, builder: GraphBuilder, architecture: Architecture, table: Table) -> None:
        self.builder = builder
        self.architecture = architecture
        self.table = table
        self.first_use = first_uses(table.executions)
        self.pairs = skip_pairs(table.executions)
        self.numbers = {stage.name: number for number, stage in enumerate(architecture.stages)}
        self.frames: list[Frame] = []

    def unroll(self, mode: str) -> None:
        """Adds every site of the mode, and its training variant where training has losses of its own."""
        if self._build(mode, mode, training=False):
            self._build(mode, mode + TRAINING, training=True)

    def _build(self, mode: str, name: str, *, training: bool) -> bool:
        """Adds the sites of a mode or variant; tells whether training has further losses."""
        self.builder.mode = name
        tokens = self.builder.site(make_site("tokens", "tokens"), {})
        targets = self.builder.site(make_site("targets", "targets"), {})
        losses = LossBuilder(self.builder, self.architecture, targets, training=training)
        starts = self._document_starts(tokens, self.table.programs[mode])
        x0 = self._input(tokens, starts)
        shared = build_shared_inputs(self.builder, self.architecture, x0, tokens, starts, self.table.programs[mode])
        blocks = BlockUnroller(self.builder, self.architecture, shared, self.first_use)
        stream = x0
        for event in self.table.programs[mode]:
            stream = self._event(event, stream, blocks, losses)
        assert not self.frames
        return losses.finish(stream)

    def _event(self, event: Event, stream: Port, blocks: BlockUnroller, losses: LossBuilder) -> Port:
        if event.kind == "enter":
            number = self.numbers[event.stage.name]
            self.frames.append(Frame(event.stage, event.path, number, event.entry, stream))
            return self._enter(self.frames[-1], stream)
        frame = self.frames[-1]
        if event.run is not None:
            source = self.pairs.get(event.run.index)
            if source is not None and source in frame.outputs and frame.has("skips"):
                stream = self._skip(stream, source, event, frame)
            stream = blocks.block(stream, event.run, frame)
            frame.outputs[event.run.index] = stream
            return stream
        if event.kind in ("end_loop", "end_cycle"):
            stream = blocks.merge_lanes(stream, event, frame)
        if event.kind == "end_loop":
            return self._end_loop(event, stream, frame, losses)
        handlers: dict[str, Callable[[Event, Port, Frame], Port]] = {
            "loop": self._loop,
            "cycle": self._cycle,
            "end_cycle": self._end_cycle,
            "leave": self._leave,
        }
        return handlers[event.kind](event, stream, frame)

    def _document_starts(self, tokens: Port, program: tuple[Event, ...]) -> Port | None:
        """Where documents begin, None where nothing asks."""
        model = self.architecture.model
        apart = any(self._apart(layer.kind) for layer in model.input if layer.kind != "rms_norm")
        attending = any(event.run is not None and not dropped(event.run, "attention") for event in program)
        if model.documents is None or not (apart or attending):
            return None
        token = model.documents.boundary_token
        origin: YamlPath = ("model", "documents")
        site = make_site("input/document_starts", "document_starts", origin=origin, boundary_token=token)
        return self.builder.site(site, {"tokens": tokens})

    def _apart(self, kind: str) -> bool:
        """Whether input layers of a kind keep documents apart."""
        documents = self.architecture.model.documents
        return documents is not None and kind not in documents.across

    def _input(self, tokens: Port, starts: Port | None) -> Port:
        model, builder = self.architecture.model, self.builder
        site = make_site("input/embedding", "embedding", module="token_embedding", origin=("model", "embedding"))
        stream = builder.site(site, {"tokens": tokens}, {"weight": "token_embedding.weight"})
        for index, (name, layer) in enumerate(zip(input_names(model.input), model.input, strict=True)):
            origin: YamlPath = ("model", "input", index)
            inputs = {"x": stream}
            if starts is not None and layer.kind != "rms_norm" and self._apart(layer.kind):
                inputs["starts"] = starts
            if layer.kind == "rms_norm":
                site = make_site(f"input/{name}", "rms_norm", origin=origin, eps=model.norm_eps, scale=1.0)
                stream = builder.site(site, inputs)
            elif layer.kind == "smear_gate":
                site = make_site(f"input/{name}", "smear_gate", module=name, origin=origin)
                stream = builder.site(site, inputs, {"gate": f"{name}.gate"})
            else:
                site = make_site(f"input/{name}", "ngram_hash", module=name, origin=origin, order=layer.order)
                slots = builder.slots(name, "table", "projection", "scale")
                stream = builder.site(site, inputs | {"tokens": tokens}, slots)
        return stream

    def _enter(self, frame: Frame, stream: Port) -> Port:
        if frame.stage.skip_trace is None or frame.path.loops > 0:
            return stream
        module = f"stages.{frame.stage.name}.trace"
        site = make_site(
            f"{frame.prefix}/trace/add", "add_trace", module=module, origin=("graph", frame.number, "skip_trace")
        )
        stream = self.builder.site(site, {"x": stream}, self.builder.slots(module, "inject", "decay"))
        self.builder.reads(f"{module}.delta", stream, "trace")
        self.builder.writes(stream, f"{module}.delta", "trace")
        return stream

    def _loop(self, event: Event, stream: Port, frame: Frame) -> Port:
        stage, loop = frame.stage, event.loop
        if stage.firing.kind == "parallel":
            stream = frame.start
        keep = stage.backpropagate_loops
        if keep is not None and loop > 0 and loop == frame.path.loops - keep:
            site = make_site(f"{frame.prefix}/loop.{loop}/detach", "detach", origin=("graph", frame.number))
            stream = self.builder.site(site, {"x": stream})
            frame.detached = frozenset(frame.outputs)
        if stage.loop_vector is not None and frame.has("loop_vector"):
            vector: YamlPath = ("graph", frame.number, "loop_vector")
            site = make_site(f"{frame.prefix}/loop.{loop}/vector", "add_vector", origin=vector)
            stream = self.builder.site(site, {"x": stream}, {"vector": f"stages.{stage.name}.loop_vector.{loop}"})
        return stream

    def _end_loop(self, event: Event, stream: Port, frame: Frame, losses: LossBuilder) -> Port:
        if frame.stage.firing.kind == "parallel":
            frame.firings.append(stream)
            return stream
        if event.loop == frame.path.loops - 1:
            return stream
        losses.after_loop(stream, event.loop, frame)
        return self._between(stream, event.loop, frame)

    def _between(self, stream: Port, loop: int, frame: Frame) -> Port:
        between = frame.stage.between
        if between is None or not frame.has("between"):
            return stream
        origin: YamlPath = ("graph", frame.number, "between")
        site_id, eps = f"{frame.prefix}/loop.{loop}/between", self.architecture.model.norm_eps
        if between.kind == "rms_norm":
            return self.builder.site(make_site(site_id, "rms_norm", origin=origin, eps=eps, scale=1.0), {"x": stream})
        path = f"stages.{frame.stage.name}.bottleneck"
        slots = {"down": f"{path}.down", "up": f"{path}.up"}
        return self.builder.site(make_site(site_id, "bottleneck", origin=origin, eps=eps), {"x": stream}, slots)

    def _cycle(self, event: Event, stream: Port, frame: Frame) -> Port:
        assert frame.path.extra is not None
        if frame.path.extra.stop_below is not None:
            site = make_site(f"{frame.prefix}/extra.{event.loop}/before", "keep")
            frame.before = self.builder.site(site, {"x": stream})
        return stream

    def _end_cycle(self, event: Event, stream: Port, frame: Frame) -> Port:
        extra = frame.path.extra
        assert extra is not None
        if extra.stop_below is None:
            return stream
        assert frame.before is not None
        prefix = f"{frame.prefix}/extra.{event.loop}"
        last = event.loop == extra.times - 1
        site = make_site(f"{prefix}/change", "relative_change", stop_below=extra.stop_below, last=last)
        self.builder.site(site, {"x": stream, "before": frame.before})
        return self.builder.site(make_site(f"{prefix}/settle", "settle"), {"x": stream}) if last else stream

    def _leave(self, event: Event, stream: Port, frame: Frame) -> Port:
        self.frames.pop()
        combine, path = frame.stage.firing.combine, frame.path
        if combine is not None and frame.firings:
            combiner = StageCombiner(self.builder, frame)
            stream = FIRING_RULES[combine.kind].build(combiner, combine, tuple(frame.firings))
        if frame.stage.skip_trace is not None and path.loops > 0:
            module = f"stages.{frame.stage.name}.trace"
            origin: YamlPath = ("graph", frame.number, "skip_trace")
            site = make_site(f"{frame.prefix}/trace/record", "record_trace", module=module, origin=origin)
            stream = self.builder.site(site, {"before": frame.start, "x": stream})
            self.builder.writes(stream, f"{module}.delta", "trace")
        return stream

    def _skip(self, stream: Port, source: int, event: Event, frame: Frame) -> Port:
        run, skips = event.run, frame.stage.skips
        assert run is not None and skips is not None
        operation = "gated_skip" if skips.gated else "add_skip"
        origin: YamlPath = ("graph", frame.number, "skips")
        site = make_site(f"{run.site_prefix}/skip", operation, position=run.index, origin=origin)
        skip = frame.outputs[source]
        if source in frame.detached:
            cut = make_site(f"{run.site_prefix}/skip_detach", "detach", position=run.index, origin=origin)
            skip = self.builder.site(cut, {"x": skip})
        key = skip_key(run)
        slots = {"weight": f"stages.{frame.stage.name}.skip_weight.{key}"}
        if skips.gated:
            slots["gate"] = f"stages.{frame.stage.name}.skip_gate.{key}"
        return self.builder.site(site, {"x": stream, "skip": skip}, slots)
