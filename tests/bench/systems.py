"""The reference systems that the benchmarks run: small enough for a CPU, as published, and tiny for a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan

SPECS = Path(__file__).parents[2] / "specs"
SMALL_LENGTH = 256
TINY_LENGTH = 32


@dataclass(frozen=True, slots=True)
class System:
    """A shipped spec with overrides of `--set`, and those of its modes that training runs."""

    spec: str
    modes: tuple[str, ...]
    sets: tuple[str, ...] = ()

    def plan(self) -> Plan:
        """The plan of the spec with the overrides."""
        return load_plan(SPECS / f"{self.spec}.yaml", self.sets)


def _shrunk(dim: int, heads: tuple[int, int], groups: tuple[str, ...], length: int) -> tuple[str, ...]:
    """Overrides that keep an architecture and make it `dim` wide, in float32, on batches of eight sequences."""
    return (
        f"model.dim={dim}",
        "model.embedding.dtype=float32",
        f"model.input.0.dim={dim // 2}",
        "model.input.0.dtype=float32",
        "model.value_embedding.dtype=float32",
        *(
            f"blocks.{group}.attention.{key}={value}"
            for group in groups
            for key, value in zip(("heads", "kv_heads"), heads, strict=True)
        ),
        "train.precision=float32",
        f"train.sequence_length={length}",
        f"evaluate.stride={length}",
        f"train.batch_tokens={8 * length}",
        "train.accumulation=1",
    )


CRAWLER, TRUNK, CORE = ("flat", "crawler"), ("trunk",), ("core",)
LOOP_VECTOR = "graph.{}.loop_vector.dtype=float32"


def _systems(dim: int, heads: tuple[int, int], length: int) -> dict[str, System]:
    crawler = (*_shrunk(dim, heads, CRAWLER, length), LOOP_VECTOR.format(1))
    frugendorff = (*_shrunk(dim, heads, CORE, length), LOOP_VECTOR.format(0))
    return {
        "micro-crawler": System("micro-crawler", ("full", "single"), crawler),
        "tied-15l": System("tied-15l", ("full",), _shrunk(dim, heads, TRUNK, length)),
        "frugendorff-6x2": System("frugendorff-6x2", ("full",), frugendorff),
    }


_SMALL = _systems(128, (4, 2), SMALL_LENGTH)

SMALL = {
    "quickstart": System("quickstart", ("full",)),
    "micro-crawler": _SMALL["micro-crawler"],
    "tied-15l": _SMALL["tied-15l"],
}
PUBLISHED = {
    "frugendorff-6x2": System("frugendorff-6x2", ("full",)),
    "micro-crawler": System("micro-crawler", ("full", "single")),
    "tied-15l": System("tied-15l", ("full",)),
}
TINY = {name: _systems(32, (2, 1), TINY_LENGTH)[name] for name in PUBLISHED}
