"""Packers on a trained model: rise of the held-out loss against bytes of the artifact, and bytes at equal loss.

    python tests/bench/packers.py RUN [--sizes 5] [--seeds 3] [--tokens 24576] [--json FILE] [--markdown FILE]

RUN is a run folder. `--json` keeps every record, and a comparison that was stopped goes on from it. Equal arguments
give equal tables on one machine with the same libraries. Needs the package brotli.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packers_measure import Bench, HeldOut, float_bytes, measure
from packers_methods import Quantizer, coded_stores, quantizers
from packers_store import Comparison, begun, ordered, save
from packers_tables import markdown

from loopspec.runtime.analyse.trained_model import TrainedModel, open_trained, training_data
from loopspec.runtime.artifact import ArtifactContents
from loopspec.runtime.data.token_source import TokenData
from loopspec.runtime.pipeline.packing import encode_states, provenance


def open_bench(model: TrainedModel, tokens: int, calibration_tokens: int) -> Bench:
    """The model with its data; `tokens` are of the validation split."""
    data = training_data(model, _note)
    held_out = HeldOut(model.plan, model.module, np.asarray(data.validation), tokens)
    return Bench(model.plan, model.module, data.train, _others(model, data), held_out, calibration_tokens)


def _others(model: TrainedModel, data: TokenData) -> ArtifactContents:
    """The artifact without its stores."""
    return ArtifactContents(
        spec=model.plan.spec.plain,
        stores={},
        states=encode_states(model.plan, dict(model.module.named_buffers())),
        tokenizer=data.tokenizer.model_bytes if model.plan.spec.data.tokenizer.embed else None,
        tokenizer_sha256=data.tokenizer.sha256,
        provenance=provenance(data),
    )


def head_of(bench: Bench, weights: str) -> dict[str, Any]:
    """What all records share."""
    plan, held_out = bench.plan, bench.held_out
    coded = set(coded_stores(plan))
    return {
        "model": plan.spec.name,
        "parameters": sum(store.elements for store in plan.exported_stores),
        "coded": sum(store.elements for store in plan.exported_stores if store.name in coded),
        "weights": weights,
        "loss": round(float(held_out.losses.mean()), 6),
        "tokens": held_out.tokens,
        "sequences": len(held_out.losses),
        "calibration_tokens": bench.calibration_tokens,
        "fixed": float_bytes(bench),
    }


def compare(
    bench: Bench, comparison: Comparison, chosen: Mapping[str, Quantizer], seeds: int, path: Path | None = None
) -> None:
    """Measures what is not known yet, and saves to `path` as it goes."""
    settings = {name: quantizer.settings for name, quantizer in chosen.items()}
    began = time.monotonic()
    for record in measure(bench, chosen, seeds, comparison.known):
        comparison.records = ordered([*comparison.records, record], settings)
        sizes_text = ", ".join(f"{codec} {size:,}" for codec, size in record.bytes.items())
        what = f"{record.quantizer} {record.setting:g} seed {record.seed}"
        _note(f"{time.monotonic() - began:6.0f} s  {what}: {record.rises.mean():.4f} nats; {sizes_text}")
        if path is not None:
            save(comparison, path)


def arguments_of(given: list[str] | None = None) -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sizes", type=int, default=5, choices=range(2, 7))
    parser.add_argument("--seeds", type=int, default=3, help="draws of calibration")
    parser.add_argument("--tokens", type=int, default=24576, help="of the validation split")
    parser.add_argument("--calibration-tokens", type=int, default=16384)
    parser.add_argument("--about", default="", help="a paragraph for the table's head")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args(given)


def main() -> None:
    """Measures and prints the tables."""
    arguments = arguments_of()
    torch.set_num_threads(1)
    model = open_trained(arguments.run)
    bench = open_bench(model, arguments.tokens, arguments.calibration_tokens)
    comparison = begun(arguments.json, head_of(bench, model.weights))
    compare(bench, comparison, quantizers(arguments.sizes), arguments.seeds, arguments.json)
    text = markdown(comparison, arguments.about)
    print(text)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
