"""Sensitivities for a reader: one line a store."""

from __future__ import annotations

from textwrap import wrap

import numpy as np

from ...compiler.tables import table
from .sensitivity import Rows, Sensitivity, StoreSensitivity

WIDTH = 80
_COLUMNS = """\
norm: mean norm of a row's gradient; spread: its largest over its smallest row; Fisher: empirical Fisher trace a
token, over all rows; loss: estimated increase of the loss by quantization under the scheme shown, which is the
spec's own or its nearest that needs no calibration, nats a token"""


def sensitivity_text(found: Sensitivity, tokens: str) -> str:
    """A title, what the columns mean, a row for each store in the artifact's order, and the sum."""
    about = found.about
    heading = [
        f"sensitivity of {about['spec']}, mode {about['mode']}",
        *_wrapped(f"weights {about['source']}: {about['weights']}; {tokens}"),
        *_wrapped(_COLUMNS),
        "",
    ]
    rows = [_row(store) for store in found.stores]
    total = sum(float(store.loss_increase.sum()) for store in found.stores)
    header = ("store", "rows", "scheme", "norm", "spread", "Fisher", "loss")
    lines = [*heading, *table(header, rows, " "), f"  together: {total:.3g} nats a token"]
    silent = [store.name for store in found.stores if not store.gradient_norm.any()]
    lines += _wrapped(f"no gradient reaches {', '.join(silent)}") if silent else []
    return "\n".join(lines) + "\n"


def _row(store: StoreSensitivity) -> tuple[object, ...]:
    scheme = store.scheme.partition("/")[0].replace("float", "f")
    norms = store.gradient_norm
    sums = (f"{float(figure.sum()):.2g}" for figure in (store.fisher, store.loss_increase))
    return store.name, len(norms), scheme, f"{float(norms.mean()):.2g}", _spread(norms), *sums


def _spread(norms: Rows) -> str:
    if len(norms) < 2:
        return "-"
    smallest = float(np.min(norms))
    return f"{float(np.max(norms)) / smallest:.1g}" if smallest else "inf"


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
