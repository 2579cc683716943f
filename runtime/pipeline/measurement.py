"""What the codes of a packed run came to, kept beside it so that `validate --calibrate RUN` can predict from it."""

from __future__ import annotations

from pathlib import Path

from ...compiler.plan import Plan
from ...compiler.size.calibrated import MEASUREMENT_FILE, MeasuredRun, MeasuredStore, measurement_json
from ..artifact import ArtifactContents
from ..atomic_file import write_atomically
from ..entropy import estimate_bytes
from ..quantize.report import code_entropy
from ..quantize.store import decode_codes


def write_measurement(folder: Path, plan: Plan, contents: ArtifactContents, steps: int, *, over: bool) -> None:
    """Writes MEASUREMENT_FILE into the run folder: entropies of the stores on fixed grids, after so many steps.

    Args:
        over: whether training has come to its end; if not, what training makes of tails is not known yet.
    """
    planned = steps if over else max(plan.spec.train.known_steps or 0, 2 * steps)
    stores = {
        store.name: _measured(contents, store.name, store.shape, repr(store.scheme))
        for store in plan.exported_stores
        if store.scheme.coded and store.scheme.kind != "rate_distortion"
    }
    write_atomically(folder / MEASUREMENT_FILE, [measurement_json(MeasuredRun(steps, planned, stores)).encode()])


def _measured(contents: ArtifactContents, name: str, shape: tuple[int, ...], scheme: str) -> MeasuredStore:
    codes = decode_codes(contents.stores[name])
    return MeasuredStore(shape, scheme, code_entropy(codes) * codes.size / 8, float(estimate_bytes([codes])))
