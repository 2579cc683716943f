"""What each packer takes and costs: bytes of the artifact that it builds, and the rise of the held-out loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from packers_methods import METHODS, ZSTD, Quantizer, Stores, Trained, coded_stores
from torch import Tensor, nn

from loopspec.compiler.plan import Plan
from loopspec.compiler.spec.quantization import Codec, Scheme
from loopspec.runtime.artifact import ArtifactContents, build_artifact
from loopspec.runtime.calibrate import collect_statistics
from loopspec.runtime.calibrate.batches import training_batches
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.quantize import EncodedStore, decode, encode

BATCH = 8
"""Sequences a forward pass."""

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One quantizer at one setting under one draw of calibration.

    Attributes:
        bytes: of the artifact's file, by codec; seeds but the first have no slow codecs.
        rises: nats a token over the float weights, one for each held-out sequence.
        divergences: of the coded model's predictions from the float one's (Kullback-Leibler), nats a token, alike. In
            place of the text it has the float model's own chances, so it lacks most of the noise of `rises`.
    """

    quantizer: str
    setting: float
    seed: int
    bytes: dict[str, int]
    rises: Losses
    divergences: Losses


class HeldOut:
    """Sequences of the validation split, evenly spread over it, and what the float model makes of them."""

    def __init__(self, plan: Plan, module: nn.Module, validation: npt.NDArray[np.integer], tokens: int) -> None:
        self._module, self._mode = module, plan.spec.activities["evaluate"]
        self._parameters = dict(module.named_parameters())
        length = plan.spec.train.sequence_length
        starts = np.arange(0, len(validation) - length, length)
        chosen = np.unique(np.linspace(0, len(starts) - 1, max(tokens // length, 1)).round().astype(int))
        rows = np.stack([np.asarray(validation[start : start + length + 1], np.int64) for start in starts[chosen]])
        self._rows = torch.from_numpy(rows)
        found = list(self._scored())
        self._reference = [scores for _, scores in found]
        self.losses = np.concatenate([_losses(rows, scores) for rows, scores in found])

    @property
    def tokens(self) -> int:
        """How many are scored."""
        return self._rows[:, 1:].numel()

    def rises(self, stores: Mapping[str, EncodedStore]) -> tuple[Losses, Losses]:
        """Rise of the loss and divergence of each sequence with these stores; the module is left as it was."""
        before = {name: self._parameters[name].detach().clone() for name in stores}
        self._load({name: torch.from_numpy(decode(store)) for name, store in stores.items()})
        losses, divergences = [], []
        for (rows, scores), reference in zip(self._scored(), self._reference, strict=True):
            losses.append(_losses(rows, scores))
            apart = (reference.exp() * (reference - scores)).sum(-1).mean(1)
            divergences.append(apart.double().numpy())
        self._load(before)
        return np.concatenate(losses) - self.losses, np.concatenate(divergences)

    def _load(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                self._parameters[name].copy_(value)

    def _scored(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of tokens and log-probabilities (sequences, length, vocabulary) of the module as it is."""
        for start in range(0, len(self._rows), BATCH):
            rows = self._rows[start : start + BATCH]
            with torch.inference_mode():
                logits: Tensor = self._module(rows[:, :-1], mode=self._mode)
                yield rows, torch.log_softmax(logits.float(), -1)


def _losses(rows: Tensor, scores: Tensor) -> Losses:
    found: Losses = -scores.gather(2, rows[:, 1:, None])[..., 0].mean(1).double().numpy()
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A trained model, and all that its packers are measured by.

    Attributes:
        contents: of the artifact, its stores replaced by each packer's.
    """

    plan: Plan
    module: nn.Module
    train: TokenStream
    contents: ArtifactContents
    held_out: HeldOut
    calibration_tokens: int

    def trained(self, seed: int) -> Trained:
        """The model, calibrated by this draw of training tokens."""
        quantization = self.plan.spec.quantization
        calibration = replace(quantization.calibration, tokens=self.calibration_tokens, seed=seed, source="training")
        spec = replace(self.plan.spec, quantization=replace(quantization, calibration=calibration))
        plan = replace(self.plan, spec=spec)
        mode, batches = spec.activities["calibrate"], training_batches(plan, self.train)
        statistics = collect_statistics(plan, self.module, batches, mode, stores=coded_stores(plan))
        parameters = dict(self.module.named_parameters())
        names = [store.name for store in plan.exported_stores]
        weights = {name: parameters[name].detach().float().numpy().copy() for name in names}
        return Trained(plan, weights, statistics)


def measure(
    bench: Bench, quantizers: Mapping[str, Quantizer], seeds: int, known: set[tuple[str, float, int]]
) -> Iterator[Record]:
    """A record for each quantizer, setting and seed that is not known yet, seed by seed.

    Where calibration decides nothing there is seed 0 alone.
    """
    for seed in range(seeds):
        wanted = [
            (quantizer, setting)
            for quantizer in quantizers.values()
            for setting in quantizer.settings
            if (seed == 0 or quantizer.seeded) and (quantizer.name, setting, seed) not in known
        ]
        if not wanted:
            continue
        trained = bench.trained(seed)
        floats = float_stores(bench)
        encoders = _Kept(trained)
        for quantizer, setting in wanted:
            stores = floats | encoders(quantizer)(setting)
            sizes = artifact_sizes(
                bench, stores, [codec for codec in codecs_of(quantizer.name) if seed == 0 or quick(codec)]
            )
            yield Record(quantizer.name, setting, seed, sizes, *bench.held_out.rises(stores))


class _Kept:
    """Prepares a quantizer, and keeps only the last."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self._last: tuple[str, Callable[[float], Stores]] | None = None

    def __call__(self, quantizer: Quantizer) -> Callable[[float], Stores]:
        if self._last is None or self._last[0] != quantizer.name:
            self._last = (quantizer.name, quantizer.prepare(self._trained))
        return self._last[1]


def float_stores(bench: Bench) -> Stores:
    """What every method keeps as float16."""
    parameters, coded = dict(bench.module.named_parameters()), set(coded_stores(bench.plan))
    names = [store.name for store in bench.plan.exported_stores if store.name not in coded]
    return {name: encode(name, parameters[name].detach().float().numpy(), Scheme("float16")) for name in names}


def float_bytes(bench: Bench) -> int:
    """Of an artifact that holds nothing else."""
    return build_artifact(replace(bench.contents, stores=float_stores(bench)), ZSTD)[1].bytes


def quick(codec: Codec) -> bool:
    """Whether the codec is run for every seed; others take most of the time, and by seed differ in a part in 1,000."""
    return codec.kind == "rans"


def codecs_of(quantizer: str) -> list[Codec]:
    """Codecs of the methods that use a quantizer."""
    return [method.codec for method in METHODS if method.quantizer == quantizer]


def artifact_sizes(bench: Bench, stores: Stores, codecs: list[Codec]) -> dict[str, int]:
    """Bytes of the whole file, by codec."""
    ordered = {store.name: stores[store.name] for store in bench.plan.exported_stores}
    contents = replace(bench.contents, stores=ordered)
    return {str(codec.kind): build_artifact(contents, codec)[1].bytes for codec in codecs}
