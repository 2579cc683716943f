"""Adds the sites of one mode: the input side, every block execution, the output side."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..spec.architecture import Architecture, Block
from .builder import GraphBuilder, make_site
from .declare import input_names
from .executions import (
    Execution,
    block_of,
    executions,
    first_uses,
    skip_key,
    skip_pairs,
    uses_value_embedding,
    uses_xsa,
)
from .model import Port, Site, YamlPath

RotaryKey = tuple[int, float, int | None]  # dims, base, ntk_reference


class ModeUnroller:
    """Adds the flow of the mode with these loops to the builder's graph."""

    def __init__(self, builder: GraphBuilder, architecture: Architecture, full: tuple[Execution, ...]) -> None:
        self.builder = builder
        self.architecture = architecture
        self.eps = architecture.model.norm_eps
        self.full = full
        self.first_use = first_uses(full)
        self.rotary: dict[RotaryKey, Port] = {}
        self.values: Port | None = None
        self.x0: Port | None = None

    def unroll(self, mode: str, loops: dict[str, int]) -> None:
        """Adds every site of the mode, in execution order."""
        self.builder.mode = mode
        runs = executions(self.architecture, loops)
        tokens = self.builder.site(make_site("tokens", "tokens"), {})
        targets = self.builder.site(make_site("targets", "targets"), {})
        stream = self.x0 = self._input(tokens)
        self._shared_inputs(tokens, runs)
        stream = self._stages(stream, runs)
        stream = self._norm("output/norm", stream, 1.0, ("model", "head"))
        self._output(stream, targets)

    def _input(self, tokens: Port) -> Port:
        model, builder = self.architecture.model, self.builder
        site = make_site("input/embedding", "embedding", module="token_embedding", origin=("model", "embedding"))
        stream = builder.site(site, {"tokens": tokens}, {"weight": "token_embedding.weight"})
        for index, (name, layer) in enumerate(zip(input_names(model.input), model.input, strict=True)):
            origin: YamlPath = ("model", "input", index)
            if layer.kind == "rms_norm":
                stream = self._norm(f"input/{name}", stream, 1.0, origin)
            elif layer.kind == "smear_gate":
                site = make_site(f"input/{name}", "smear_gate", module=name, origin=origin)
                stream = builder.site(site, {"x": stream}, {"gate": f"{name}.gate"})
            else:
                site = make_site(f"input/{name}", "ngram_hash", module=name, origin=origin, order=layer.order)
                stream = builder.site(
                    site, {"x": stream, "tokens": tokens}, self._slots(name, "table", "projection", "scale")
                )
        return stream

    def _slots(self, module: str, *slots: str) -> dict[str, str]:
        """Bindings of the module's slots for which a store is declared."""
        declared = self.builder.graph.nx
        return {slot: f"{module}.{slot}" for slot in slots if f"{module}.{slot}" in declared}

    def _shared_inputs(self, tokens: Port, runs: tuple[Execution, ...]) -> None:
        """Rotary tables and the value embedding: computed once, read by many positions."""
        self.rotary, self.values = {}, None
        keys = self._all_rotary_keys()
        for run in runs:
            key = self._rotary_key(block_of(self.architecture, run))
            if key is not None and key not in self.rotary:
                dims, base, reference = key
                origin: YamlPath = ("blocks", run.stage.blocks, "attention", "rope")
                site = make_site(
                    f"input/rotary.{keys.index(key)}",
                    "rotary_table",
                    origin=origin,
                    dims=dims,
                    base=base,
                    ntk_reference=reference,
                )
                self.rotary[key] = self.builder.site(site, {"tokens": tokens})
        if any(uses_value_embedding(self.architecture, run) for run in runs):
            site = make_site(
                "input/value_embedding",
                "value_embedding",
                module="value_embedding",
                origin=("model", "value_embedding"),
            )
            slots = self._slots("value_embedding", "table", "projection", "scale")
            self.values = self.builder.site(site, {"tokens": tokens}, slots)

    def _rotary_key(self, block: Block) -> RotaryKey | None:
        rope = block.attention.rope
        if rope is None:
            return None
        return rope.dims or self.architecture.model.dim // block.attention.heads, rope.base, rope.ntk_reference

    def _all_rotary_keys(self) -> list[RotaryKey]:
        """Distinct tables over all blocks, whichever mode runs, so that their names hold in every mode."""
        keys = (self._rotary_key(block) for group in self.architecture.blocks.values() for block in group)
        return list(dict.fromkeys(key for key in keys if key is not None))

    def _stages(self, stream: Port, runs: tuple[Execution, ...]) -> Port:
        for index, stage in enumerate(self.architecture.stages):
            pairs = skip_pairs(tuple(run for run in self.full if run.stage is stage))
            outputs: dict[int, Port] = {}
            for run in runs:
                if run.stage is not stage:
                    continue
                if run.step == 0 and stage.loop_vector is not None:
                    stream = self._loop_vector(stream, run, index)
                source = pairs.get(run.index)
                if source in outputs:
                    stream = self._skip(stream, outputs[source], run, index)
                stream = outputs[run.index] = self._block(stream, run, index)
        return stream

    def _loop_vector(self, stream: Port, run: Execution, stage: int) -> Port:
        origin: YamlPath = ("graph", stage, "loop_vector")
        site = make_site(f"{run.stage.name}/loop.{run.loop}/vector", "add_vector", position=run.index, origin=origin)
        return self.builder.site(site, {"x": stream}, {"vector": f"stages.{run.stage.name}.loop_vector.{run.loop}"})

    def _skip(self, stream: Port, skip: Port, run: Execution, stage: int) -> Port:
        origin: YamlPath = ("graph", stage, "skips")
        site = make_site(f"{run.site_prefix}/skip", "add_skip", position=run.index, origin=origin)
        weight = f"stages.{run.stage.name}.skip_weight.{skip_key(run)}"
        return self.builder.site(site, {"x": stream, "skip": skip}, {"weight": weight})

    def _block(self, stream: Port, run: Execution, stage: int) -> Port:
        """Mix, attention, MLP; what varies by position is passed as inputs and attributes."""
        block = block_of(self.architecture, run)
        scale = self._norm_scale(block, run)
        if block.residual.x0_mix:
            assert self.x0 is not None
            site = self._block_site(run, "residual_mix", "residual_mix", "residual")
            stream = self.builder.site(
                site, {"x": stream, "x0": self.x0}, {"mix": f"blocks.{run.block_name}.residual_mix"}
            )
        normed = self._block_norm(run, "attention_norm", stream, scale)
        stream = self._residual_add(run, "attention", stream, self._attention(normed, block, run, stage))
        normed = self._block_norm(run, "mlp_norm", stream, scale)
        module = f"blocks.{run.block_name}.mlp"
        site = self._block_site(run, "mlp", "mlp", "mlp", module=module, activation=block.mlp.activation)
        branch = self.builder.site(site, {"x": normed}, self._slots(module, "up", "down"))
        return self._residual_add(run, "mlp", stream, branch)

    def _attention(self, normed: Port, block: Block, run: Execution, stage: int) -> Port:
        module = f"blocks.{run.block_name}.attention"
        inputs = {"x": normed}
        rotary = self._rotary_key(block)
        if rotary is not None:
            inputs["rotary"] = self.rotary[rotary]
        if uses_value_embedding(self.architecture, run):
            inputs["values"] = self._scaled_values(block, run, stage)
        constants = {"qk_norm": block.attention.qk_norm, "xsa": uses_xsa(self.architecture, run)}
        site = self._block_site(run, "attention", "attention", "attention", module=module, **constants)
        return self.builder.site(site, inputs, self._slots(module, "query", "key", "value", "output", "gain"))

    def _scaled_values(self, block: Block, run: Execution, stage: int) -> Port:
        assert self.values is not None
        placed = not block.value_embedding
        origin: YamlPath = (
            ("graph", stage, "place", "value_embedding") if placed else ("blocks", run.stage.blocks, "value_embedding")
        )
        store = f"stages.{run.stage.name}.value_scale.{run.step}" if placed else f"blocks.{run.block_name}.value_scale"
        site = make_site(f"{run.site_prefix}/value_scale", "scale_values", position=run.index, origin=origin)
        return self.builder.site(site, {"values": self.values}, {"scale": store})

    def _residual_add(self, run: Execution, branch: str, stream: Port, output: Port) -> Port:
        site = self._block_site(run, f"{branch}_add", "residual_add", "residual")
        store = f"blocks.{run.block_name}.{branch}_scale"
        slots = {"scale": store} if store in self.builder.graph.nx else {}
        return self.builder.site(site, {"x": stream, "branch": output}, slots)

    def _block_norm(self, run: Execution, role: str, stream: Port, scale: float) -> Port:
        site = self._block_site(run, role, "rms_norm", "residual", eps=self.eps, scale=scale)
        return self.builder.site(site, {"x": stream})

    def _block_site(self, run: Execution, role: str, operation: str, part: str, **more: Any) -> Site:  # noqa: ANN401
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
            index = {"block": run.block, "first_use": first, "site": run.index}[rule.index]
        return 1.0 / sqrt(index + 1)

    def _norm(self, site_id: str, stream: Port, scale: float, origin: YamlPath) -> Port:
        return self.builder.site(
            make_site(site_id, "rms_norm", origin=origin, eps=self.eps, scale=scale), {"x": stream}
        )

    def _output(self, stream: Port, targets: Port) -> None:
        model = self.architecture.model
        weight = "token_embedding.weight" if model.embedding.tied else "head.weight"
        site = make_site("output/head", "head", origin=("model", "head"), softcap=model.head.softcap)
        logits = self.builder.site(site, {"x": stream}, {"weight": weight})
        site = make_site("output/loss", "cross_entropy", origin=("model", "head"))
        self.builder.site(site, {"logits": logits, "targets": targets})
