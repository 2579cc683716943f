"""Sensitivities as files, for whoever divides bits among rows.

A `.json` file is one object; a `.npz` file holds the same object without the rows as UTF-8 JSON (uint8, key `record`),
and each store's rows as float64 arrays (rows,) under `STORE/FIGURE`. The object, version 1:

    format             "loopspec-sensitivity"
    version            1
    spec               name of the spec
    spec_sha256        of the resolved spec, as checkpoints have it
    weights_sha256     of the stores in the artifact's order, as little-endian float32
    source, weights    where they were read, and which they are
    mode, batches, sequences, sequence_length, seed
                       what was run; `tokens` is always "training"
    stores             [{name, shape, rows, scheme, gradient_norm, fisher, loss_increase, absmax, std}], the last five
                       lists of one number a row, in row order; see `sensitivity` for the formulas

Equal weights, tokens and settings give equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler.plan import Plan
from ..atomic_file import write_atomically
from .errors import AnalysisError
from .sensitivity import FIGURES, Sensitivity, StoreSensitivity

FORMAT, VERSION = "loopspec-sensitivity", 1
SUFFIXES = (".json", ".npz")


def sensitivity_json(found: Sensitivity) -> dict[str, Any]:
    """The object above."""
    stores = [
        _store_record(store) | {name: rows.tolist() for name, rows in store.figures().items()} for store in found.stores
    ]
    return {"format": FORMAT, "version": VERSION, **found.about, "stores": stores}


def write_sensitivity(path: Path, found: Sensitivity) -> None:
    """Writes the record whole or not at all, in place of an older one.

    Raises:
        AnalysisError: the name ends in neither .json nor .npz, or the file cannot be written.
    """
    check_suffix(path)
    data = _npz(found) if path.suffix == ".npz" else (json.dumps(sensitivity_json(found), indent=1) + "\n").encode()
    try:
        write_atomically(path, [data])
    except OSError as error:
        raise AnalysisError(f"{path} cannot be written ({error.strerror}); name another file") from error


def check_suffix(path: Path) -> None:
    """Raises AnalysisError for a name that no format goes by."""
    if path.suffix not in SUFFIXES:
        raise AnalysisError(f"{path}: a sensitivity record is a {' or '.join(SUFFIXES)} file; name it so")


def read_sensitivity(path: Path, plan: Plan) -> Sensitivity:
    """A record of a model with the plan's stores. Whether spec and weights are the same ones, `about` tells.

    Raises:
        AnalysisError: no record of this version, or one of other stores.
    """
    check_suffix(path)
    try:
        record = _read_npz(path) if path.suffix == ".npz" else json.loads(path.read_text(encoding="utf-8"))
        if (record["format"], record["version"]) != (FORMAT, VERSION):
            raise AnalysisError(f"{path}: is no {FORMAT} of version {VERSION}; measure it again")
        stores = tuple(_store(item) for item in record["stores"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise AnalysisError(f"{path}: is no sensitivity record ({error}); measure it again") from error
    expected = {store.name: store.shape for store in plan.exported_stores}
    if {store.name: store.shape for store in stores} != expected:
        raise AnalysisError(f"{path}: is of a model with other stores than {plan.spec.name}; measure that one")
    about = {key: value for key, value in record.items() if key not in ("format", "version", "stores")}
    return Sensitivity(about, stores)


def _store_record(store: StoreSensitivity) -> dict[str, Any]:
    return {"name": store.name, "shape": list(store.shape), "rows": len(store.fisher), "scheme": store.scheme}


def _npz(found: Sensitivity) -> bytes:
    stores = [_store_record(store) for store in found.stores]
    record = {"format": FORMAT, "version": VERSION, **found.about, "stores": stores}
    arrays: dict[str, Any] = {"record": np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)}
    for store in found.stores:
        arrays |= {f"{store.name}/{name}": rows for name, rows in store.figures().items()}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _read_npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        record: dict[str, Any] = json.loads(arrays["record"].tobytes())
        for store in record["stores"]:
            store |= {name: arrays[f"{store['name']}/{name}"] for name in FIGURES}
    return record


def _store(item: dict[str, Any]) -> StoreSensitivity:
    figures = {name: np.asarray(item[name], dtype=np.float64) for name in FIGURES}
    if any(rows.shape != (item["rows"],) for rows in figures.values()):
        raise ValueError(f"store {item['name']} has not {item['rows']} numbers of each figure")
    return StoreSensitivity(item["name"], tuple(item["shape"]), item["scheme"], **figures)
