"""The packers that are compared: a quantizer, which makes stores at a given coarseness, and the artifact's codec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import log2
from typing import Literal

import numpy as np
import numpy.typing as npt

from loopspec.compiler.plan import Plan
from loopspec.compiler.spec.published_schemes import SCHEMES
from loopspec.compiler.spec.quantization import Clip, Codec, Gptq, Scheme, Step
from loopspec.runtime.quantize import EncodedStore, Storage, encode
from loopspec.runtime.quantize.factor import factorise
from loopspec.runtime.quantize.gptq import nearest_codes, round_by
from loopspec.runtime.quantize.grid import GridOptions, encode_grid_codes, grid_codes, plan_grid
from loopspec.runtime.quantize.statistics import StoreStatistics
from loopspec.runtime.quantize.storage import BASE, CODES, COLUMNS, GRID_LEVELS, ROWS

Stores = dict[str, EncodedStore]
Codes = npt.NDArray[np.int8]
Encoder = Callable[[float], Stores]
Rounding = Literal["gptq", "nearest"]

K_PUBLISHED, K_EMBEDDING = 12.85, 20.0
"""Deviations at which PR 1394 ends 6 bits of a matrix and 8 of an embedding; at other sizes both change alike."""
EMBEDDING_RATIO = 0.2
"""A better tuned step of the embedding, to that of matrices, in deviations; 0.38 as published."""
RATES = ((4.6, 1.8), (4.8, 2.4))
"""Bits a weight, finest and coarsest, of a grid and of one step for all; one still finer would clip embeddings."""

LEAST_ELEMENTS = 4096
"""Matrices from this size on are coded; every method keeps all else as float16."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained model as quantizers see it.

    Attributes:
        weights: float32 by store, of all that the artifact holds.
        statistics: of the coded stores, by one draw of calibration.
    """

    plan: Plan
    weights: Mapping[str, npt.NDArray[np.float32]]
    statistics: Mapping[str, StoreStatistics]

    @property
    def coded(self) -> list[str]:
        """Names of the stores that methods differ in."""
        return coded_stores(self.plan)

    def embeds(self, name: str) -> bool:
        """Whether published packers would give the store the bits of embeddings."""
        return next(store.group for store in self.plan.stores if store.name == name) in ("embeddings", "head")


@dataclass(frozen=True, slots=True)
class Quantizer:
    """A way to make codes.

    Attributes:
        settings: from fine to coarse; 6 bits and 12.85 deviations are what was published.
        prepare: what is made once for all settings.
        seeded: whether calibration decides the codes.
    """

    name: str
    settings: tuple[float, ...]
    prepare: Callable[[Trained], Encoder]
    seeded: bool = True


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the table."""

    label: str
    quantizer: str
    codec: Codec

    @property
    def key(self) -> str:
        """Quantizer and codec by name."""
        return f"{self.quantizer} + {self.codec.kind}"


def coded_stores(plan: Plan) -> list[str]:
    """Names of the matrices that methods differ in."""
    return [store.name for store in plan.exported_stores if len(store.shape) > 1 and store.elements >= LEAST_ELEMENTS]


def by_schemes(matrix: Callable[[float], Scheme], embedding: Callable[[float], Scheme]) -> Callable[[Trained], Encoder]:
    """Schemes of the spec: one for matrices, one for embeddings, both of the setting."""

    def prepare(trained: Trained) -> Encoder:
        def encoder(setting: float) -> Stores:
            return {name: _by_scheme(trained, name, matrix(setting), embedding(setting)) for name in trained.coded}

        return encoder

    return prepare


def _by_scheme(trained: Trained, name: str, matrix: Scheme, embedding: Scheme) -> EncodedStore:
    scheme = embedding if trained.embeds(name) else matrix
    return encode(name, trained.weights[name], scheme, trained.statistics.get(name))


def by_one_step(rounding: Rounding) -> Callable[[Trained], Encoder]:
    """One step for all weights of the model; the setting is bits a weight."""

    def prepare(trained: Trained) -> Encoder:
        weights = {name: trained.weights[name] for name in trained.coded}
        factors = {}
        if rounding == "gptq":
            factors = {name: factorise(trained.statistics[name].inputs, Gptq(), name) for name in weights}

        def nearest(step: float) -> list[Codes]:
            return [nearest_codes(each, np.float32(step).reshape(1, 1), GRID_LEVELS) for each in weights.values()]

        def encoder(bits: float) -> Stores:
            step = np.float32(2.0 ** coarseness_at(bits, nearest, -14, 2)).reshape(1, 1)
            if rounding == "nearest":
                codes = {name: nearest_codes(each, step, GRID_LEVELS) for name, each in weights.items()}
            else:
                codes = {name: round_by(factors[name], each, step, GRID_LEVELS)[0] for name, each in weights.items()}
            return {name: _uniform(name, each, step) for name, each in codes.items()}

        return encoder

    return prepare


def _uniform(name: str, codes: Codes, step: npt.NDArray[np.float32]) -> EncodedStore:
    rows, columns = codes.shape
    parts = {CODES: codes.tobytes(), BASE: step.astype("<f4").tobytes(), ROWS: bytes(rows), COLUMNS: bytes(columns)}
    return EncodedStore(name, codes.shape, Storage("grid", GRID_LEVELS), parts)


def by_grid(options: GridOptions, rounding: Rounding = "gptq") -> Callable[[Trained], Encoder]:
    """The rate-distortion grid; the setting is bits a weight, to which lambda is bisected."""

    def prepare(trained: Trained) -> Encoder:
        weights = {name: trained.weights[name] for name in trained.coded}
        grids = {name: plan_grid(name, each, trained.statistics[name], options) for name, each in weights.items()}

        def nearest(lam: float) -> list[Codes]:
            return [nearest_codes(each, grids[name].steps(lam), GRID_LEVELS) for name, each in weights.items()]

        def encoder(bits: float) -> Stores:
            lam = 2.0 ** coarseness_at(bits, nearest, -26, 8)
            stores = {}
            for name, grid in grids.items():
                codes = grid_codes(weights[name], grid, lam, rounding).codes
                stores[name] = encode_grid_codes(name, weights[name].shape, grid, lam, codes)
            return stores

        return encoder

    return prepare


def coarseness_at(bits: float, codes_at: Callable[[float], list[Codes]], finest: float, coarsest: float) -> float:
    """log2 of the number at which codes take so many bits a weight: the entropy of each matrix's own frequencies."""
    while coarsest - finest > 1 / 64:
        middle = (finest + coarsest) / 2
        if entropy(codes_at(2.0**middle)) > bits:
            finest = middle
        else:
            coarsest = middle
    return coarsest


def entropy(matrices: list[Codes]) -> float:
    """Bits a code."""
    return sum(_bits(matrix) for matrix in matrices) / sum(matrix.size for matrix in matrices)


def _bits(matrix: Codes) -> float:
    counts = np.bincount(matrix.ravel().view(np.uint8), minlength=256)
    counts = counts[counts > 0]
    return float((counts * (log2(matrix.size) - np.log2(counts))).sum())


def quantizers(sizes: int) -> dict[str, Quantizer]:
    """All, by name, each at so many settings; ours and its closest rivals first, as that is the order of measuring."""
    bits = tuple(float(8 - size) for size in range(1, sizes + 1))
    deviations = tuple(round(K_PUBLISHED * 1.6 ** (size - sizes // 2), 3) for size in range(sizes))
    rates, more = (tuple(np.linspace(finest, coarsest, sizes).round(3).tolist()) for finest, coarsest in RATES)
    found = [
        Quantizer("grid", rates, by_grid(GridOptions())),
        Quantizer("gptq-std-0.2", deviations, by_schemes(_rounded_by_gptq(_std), _rounded_by_gptq(_fine_embedding))),
        Quantizer("gptq-absmax", bits, by_schemes(_rounded_by_gptq(_absmax), lambda _: _rounded_by_gptq(_absmax)(8))),
        Quantizer("gptq-std", deviations, by_schemes(_rounded_by_gptq(_std), _rounded_by_gptq(_embedding))),
        Quantizer("absmax", bits, by_schemes(_absmax, lambda _: _absmax(8)), seeded=False),
        Quantizer("challenge", bits, by_schemes(_challenge, lambda _: SCHEMES["challenge-int8-rows"]), seeded=False),
        Quantizer("std", deviations, by_schemes(_std, _embedding), seeded=False),
        Quantizer("one-step", more, by_one_step("nearest"), seeded=False),
        Quantizer("gptq-one-step", more, by_one_step("gptq")),
        Quantizer("grid-rows-alike", rates, by_grid(GridOptions(row_clip=1.0))),
    ]
    return {each.name: each for each in found}


RANS, ZSTD, BROTLI = Codec("rans"), Codec("zstd", 22), Codec("brotli", 11)

METHODS = (
    Method("absmax k-bit rows, zstd-22", "absmax", ZSTD),
    Method("challenge k-bit rows (floors), zstd-22", "challenge", ZSTD),
    Method("GPTQ, absmax k-bit rows, brotli", "gptq-absmax", BROTLI),
    Method("k*std rows, brotli", "std", BROTLI),
    Method("GPTQ, k*std rows, brotli", "gptq-std", BROTLI),
    Method("GPTQ, k*std rows, finer embedding, brotli", "gptq-std-0.2", BROTLI),
    Method("one step for all, rans", "one-step", RANS),
    Method("GPTQ, one step for all, rans", "gptq-one-step", RANS),
    Method("rate_distortion, zstd-22", "grid", ZSTD),
    Method("rate_distortion, brotli", "grid", BROTLI),
    Method("rate_distortion, rows alike, rans", "grid-rows-alike", RANS),
    Method("rate_distortion, rans (ours)", "grid", RANS),
)
OURS = METHODS[-1]
PUBLISHED = METHODS[:6]
"""Rebuilt from what was published: quantizer and codec."""


def _absmax(bits: float) -> Scheme:
    return Scheme("integer", int(bits), Clip("absmax"))


def _challenge(bits: float) -> Scheme:
    """That of PR 498 at other bits: the floor is one step of its grid."""
    floor = 1 / (2 ** (int(bits) - 1) - 1)
    return replace(SCHEMES["challenge-int6-rows"], bits=int(bits), step=Step(floor=floor))


def _std(k: float, bits: int = 6) -> Scheme:
    return Scheme("integer", bits, Clip("std", k))


def _embedding(k: float) -> Scheme:
    return _std(k * K_EMBEDDING / K_PUBLISHED, 8)


def _fine_embedding(k: float) -> Scheme:
    return _std(EMBEDDING_RATIO * k * 127 / 31, 8)


def _rounded_by_gptq(scheme: Callable[[float], Scheme]) -> Callable[[float], Scheme]:
    return lambda setting: replace(scheme(setting), gptq=Gptq())
