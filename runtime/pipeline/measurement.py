"""What the codes of a packed run came to, kept so that `validate --calibrate` can predict from it."""

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
    _write(folder / MEASUREMENT_FILE, _measured_run(plan, contents, steps, over=over))


def write_measurement_beside(artifact: Path, plan: Plan, contents: ArtifactContents, steps: int, *, over: bool) -> None:
    """The same beside an artifact elsewhere, whose name comes first; none where it has no store on a fixed grid."""
    path, run = (
        artifact.with_name(f"{artifact.name}.{MEASUREMENT_FILE}"),
        _measured_run(plan, contents, steps, over=over),
    )
    if run.stores:
        _write(path, run)
    else:
        path.unlink(missing_ok=True)  # of another artifact that had this name


def _measured_run(plan: Plan, contents: ArtifactContents, steps: int, *, over: bool) -> MeasuredRun:
    planned = steps if over else max(plan.spec.train.known_steps or 0, 2 * steps)
    coded = [store for store in plan.exported_stores if store.scheme.coded and store.scheme.kind != "rate_distortion"]
    codes = [decode_codes(contents.stores[store.name]) for store in coded]
    alone = [estimate_bytes([each]) for each in codes]
    together = estimate_bytes(codes) / max(sum(alone), 1)  # stores share tables, which weigh in small models
    stores = {
        store.name: MeasuredStore(
            store.shape, store.scheme, code_entropy(each) * each.size / 8, size * min(together, 1.0)
        )
        for store, each, size in zip(coded, codes, alone, strict=True)
    }
    return MeasuredRun(steps, planned, stores)


def _write(path: Path, run: MeasuredRun) -> None:
    write_atomically(path, [measurement_json(run).encode()])
