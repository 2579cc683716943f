"""A comparison of packers as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from packers_compare import RISES, Curve, Saving, curves, savings
from packers_methods import METHODS, OURS, PUBLISHED
from packers_store import Comparison

TARGET = 0.15
"""Share of the bytes that ours is to save against every published method."""


def markdown(comparison: Comparison, about: str = "") -> str:
    """The whole report: what was measured, every point, bytes at equal loss, and the same by divergence.

    Args:
        about: a paragraph on the model.
    """
    seeds = comparison.seeds
    found = curves(comparison.records, seeds)
    apart = curves(comparison.records, seeds, divergences=True)
    by_rise, by_divergence = savings(found), savings(apart)
    parts = [
        _head(comparison, about),
        _points(found),
        _equal(
            "Bytes at equal rise of the held-out loss",
            "In brackets: bytes that ours saves, with its standard error over sequences and seeds, both drawn anew.",
            by_rise,
        ),
        _equal(
            "Bytes at equal divergence from the float model",
            "As above, for the Kullback-Leibler divergence in place of the rise: the same in expectation for a model "
            "whose chances are right, with far less noise.",
            by_divergence,
        ),
        _verdict(by_rise, by_divergence),
    ]
    return "\n".join(parts)


def _head(comparison: Comparison, about: str) -> str:
    head = comparison.head
    return (
        f"# Packers on {head['model']}\n\n{about}\n\n"
        f"{head['parameters']:,} parameters, {head['coded']:,} of them coded; weights {head['weights']}. "
        f"Loss {head['loss']:.4f} nats a token over {head['tokens']:,} validation tokens in {head['sequences']} "
        f"sequences, the same for all; calibration on {head['calibration_tokens']:,} training tokens, "
        f"{comparison.seeds} draws. Bytes are of the whole artifact, "
        f"of which {head['fixed']:,} are header, tokenizer and float16.\n"
    )


def _points(found: Sequence[Curve]) -> str:
    lines = [
        "## Every size",
        "",
        "Bytes: rise of the loss in nats a token (standard error, paired over sequences).",
        "",
    ]
    sizes = max(len(curve.settings) for curve in found)
    lines.append("| method |" + " |".join(f" size {size + 1}" for size in range(sizes)) + " |")
    lines.append("|-" * (sizes + 1) + "|")
    for curve in found:
        cells = [
            f"{size:,.0f}: {rise:.4f} ({error:.4f})"
            for size, rise, error in zip(curve.bytes, curve.mean, curve.error, strict=True)
        ]
        lines.append(f"| {curve.method.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _equal(title: str, note: str, rows: Mapping[str, Sequence[Saving]]) -> str:
    lines = [f"## {title}", "", note, "", "| method |" + " |".join(f" {rise:g}" for rise in RISES) + " |"]
    lines.append("|-" * (len(RISES) + 1) + "|")
    for method in [each for each in METHODS if each.key in rows]:
        cells = [_cell(saving, method is OURS) for saving in rows[method.key]]
        lines.append(f"| {method.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(saving: Saving, own: bool) -> str:
    if math.isnan(saving.bytes):
        return "-"
    size = f"{saving.bytes:,.0f}"
    if own or math.isnan(saving.saved):
        return size
    error = "" if math.isnan(saving.error) else f" ± {100 * saving.error:.1f}"
    return f"{size} ({100 * saving.saved:.1f}{error} %)"


def _verdict(by_rise: Mapping[str, Sequence[Saving]], by_divergence: Mapping[str, Sequence[Saving]]) -> str:
    lines = [f"## Where ours saves less than {100 * TARGET:g} % against a published method", ""]
    short = [*_short(by_rise, "rise"), *_short(by_divergence, "divergence")]
    return "\n".join([*lines, *(short or ["Nowhere that both were measured."])]) + "\n"


def _short(rows: Mapping[str, Sequence[Saving]], what: str) -> list[str]:
    return [
        f"- {what} {rise:g}, {method.label}: {100 * saving.saved:.1f} ± {100 * saving.error:.1f} %"
        for method in PUBLISHED
        for rise, saving in zip(RISES, rows.get(method.key, []), strict=False)
        if saving.saved < TARGET
    ]
