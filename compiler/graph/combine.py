"""Gives combine rules what they build with: sites, stores and states of one stage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..operations import OPERATIONS
from .builder import GraphBuilder, make_site
from .frame import Frame
from .model import Port, YamlPath

_NONE: Mapping[str, Any] = MappingProxyType({})


class StageCombiner:
    """The Combiner of one entry of a stage."""

    def __init__(self, builder: GraphBuilder, frame: Frame) -> None:
        self.builder, self.frame = builder, frame

    def call(
        self, role: str, operation: str, /, *inputs: Port, constants: Mapping[str, Any] = _NONE, **bound: str
    ) -> Port:
        """Adds a site `role`: inputs by position, the stage's own stores and states by slot."""
        signature = OPERATIONS[operation]
        further = [f"input{number}" for number in range(len(signature.inputs), len(inputs))]
        ports = dict(zip((*signature.inputs, *further), inputs, strict=True))
        own = {slot: f"stages.{self.frame.stage.name}.{name}" for slot, name in bound.items()}
        stores = {slot: name for slot, name in own.items() if slot in signature.slots}
        origin: YamlPath = ("graph", self.frame.number, "firing")
        site = make_site(f"{self.frame.prefix}/combine/{role}", operation, origin=origin, **constants)
        port = self.builder.site(site, ports, stores)
        for slot, state in own.items():
            if slot in signature.states:
                self.builder.reads(state, port, slot)
            if slot in signature.writes:
                self.builder.writes(port, state, slot)
        return port
