"""Refines an estimate by what the codes of a checkpoint of the user's came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..spec.build_quantization import build_scheme, plain_scheme
from ..spec.quantization import Codec, Scheme
from .coders import codec_factor
from .factors import POOLED_CODES, POOLED_ELEMENTS, Factor
from .interval import Interval
from .layout import row_shape
from .store import SizedStore, side_interval

STD_SPREAD, TAIL_SPREAD = Factor(0.995, 1.0, 1.005), Factor(0.97, 1.0, 1.03)
"""Another run of the same spec over this one: published seeds differ by 0.06 % under a std clip (90th percentile of 166
groups), and by 2.6 % where training sets the tail (of 174)."""
CLASS_CODER = Factor(0.999, 1.002, 1.008)
"""Interleaved rANS over the conditional entropy of its class model, with the model's description."""
BYTE_CODER = Factor(0.96, 1.0, 1.02)
"""A byte compressor over what `factors.OVER_ENTROPY` says; by columns it sees some of what the classes see."""
TRAINED = 0.95
"""Share of its steps that a run must have had to tell what the tails come to: sizes still fall during the warmdown."""

MOST_BYTES = 10**15
_AGAIN = "measure the run again, by `loopspec pack`"

MEASUREMENT_FILE = "measured_sizes.json"
"""Of a packed run's folder."""

Plain = Mapping[str, Any]


class MeasurementError(ValueError):
    """A measurement that does not belong to the spec, or is none."""


@dataclass(frozen=True, slots=True)
class MeasuredStore:
    """What the codes of one store came to under `scheme`.

    Attributes:
        order0_bytes: entropy of the codes' histogram.
        class_bytes: conditional entropy given the classes of rows and columns; None where not measured.
    """

    shape: tuple[int, ...]
    scheme: Scheme
    order0_bytes: float
    class_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A checkpoint's stores as measured; `steps` of the `planned_steps` had been trained."""

    steps: int
    planned_steps: int
    stores: Mapping[str, MeasuredStore]

    @property
    def trained(self) -> bool:
        """Whether the run had come far enough to tell what training makes of the tails."""
        return self.steps >= TRAINED * self.planned_steps


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Stores with measured sizes; `unrefined`: names of coded stores of which the measurement says nothing of use."""

    stores: dict[str, SizedStore]
    unrefined: tuple[str, ...]


def calibrated(stores: Mapping[str, SizedStore], codec: Codec, run: MeasuredRun) -> Calibrated:
    """Puts measured sizes in place of predicted ones.

    Floats and rate-distortion stores stay: the ones are as predicted, the others take what the budget leaves. So do
    stores whose tail training sets, where the run had not come to its end; they count as `unrefined`.

    Raises:
        MeasurementError: a store was measured with another shape or scheme.
    """
    refined, unrefined = {}, []
    for name, store in stores.items():
        measured = run.stores.get(name)
        if measured is not None:
            _check(name, store, measured)
        closed = not store.scheme.coded or store.scheme.kind == "rate_distortion"
        if measured is not None and not closed and (run.trained or _closed_form(store.scheme)):
            refined[name] = replace(store, measured=measured_interval(store, codec, measured))
        else:
            refined[name] = store
            unrefined += [] if closed else [name]
    return Calibrated(refined, tuple(unrefined))


def measured_interval(store: SizedStore, codec: Codec, measured: MeasuredStore) -> Interval:
    """Compressed bytes of a store whose codes were measured."""
    rows, cols = row_shape(store.shape)
    spread = STD_SPREAD if _closed_form(store.scheme) else TAIL_SPREAD
    if codec.kind == "rans" and measured.class_bytes is not None:
        codes = Interval.of(measured.class_bytes, spread * CLASS_CODER)
    else:
        bits = 8 * measured.order0_bytes / (rows * cols)
        coder = codec_factor(codec, bits) if rows * cols >= POOLED_ELEMENTS else POOLED_CODES
        codes = Interval.of(measured.order0_bytes, spread * coder * BYTE_CODER)
    return codes + side_interval(store.shape, store.scheme)


def read_measurement(text: str, name: str) -> MeasuredRun:
    """A measurement from its JSON; `name` is the file's, for messages.

    Raises:
        MeasurementError: no JSON of that form.
    """
    try:
        plain = json.loads(text)
        stores = {store: _store(value) for store, value in plain["stores"].items()}
        return MeasuredRun(_count(plain, "steps"), _count(plain, "planned_steps"), stores)
    except KeyError as error:
        raise MeasurementError(f"{name}: not a measurement of a run (no {error}); {_AGAIN}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MeasurementError(f"{name}: not a measurement of a run ({error}); {_AGAIN}") from error


def measurement_json(run: MeasuredRun) -> str:
    """The JSON that `read_measurement` reads."""
    stores = {
        name: {
            "shape": list(store.shape),
            "scheme": plain_scheme(store.scheme),
            "order0_bytes": store.order0_bytes,
            "class_bytes": store.class_bytes,
        }
        for name, store in run.stores.items()
    }
    return json.dumps({"steps": run.steps, "planned_steps": run.planned_steps, "stores": stores}, indent=1) + "\n"


def _store(plain: Plain) -> MeasuredStore:
    shape = tuple(_whole(size, "a size") for size in plain["shape"])
    within = None if plain["class_bytes"] is None else _bytes(plain, "class_bytes")
    scheme = plain["scheme"]
    if not isinstance(scheme, dict):
        raise ValueError("scheme is no mapping")
    return MeasuredStore(shape, build_scheme(scheme), _bytes(plain, "order0_bytes"), within)


def _bytes(plain: Plain, key: str) -> float:
    """At most a float32 a weight of the largest model there could be, so that sums of them stay numbers."""
    value = plain[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_BYTES:
        raise ValueError(f"{key} is {value}, not a number of bytes")
    return float(value)


def _count(plain: Plain, key: str) -> int:
    return _whole(plain[key], key)


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_BYTES:
        raise ValueError(f"{name} is {value}, not a whole number from 0 on")
    return value


def _closed_form(scheme: Scheme) -> bool:
    return scheme.kind != "integer" or (scheme.clip is not None and scheme.clip.kind == "std" and not scheme.step.floor)


def _check(name: str, store: SizedStore, measured: MeasuredStore) -> None:
    if measured.shape != store.shape:
        what = f"with shape {list(measured.shape)}, and has {list(store.shape)} in the spec"
    elif measured.scheme != store.scheme:
        what = f"under {_differences(measured.scheme, store.scheme)}"
    else:
        return
    raise MeasurementError(
        f"store {name} was measured {what}; give a run that was packed with the schemes of this spec"
    )


def _differences(measured: Scheme, own: Scheme) -> str:
    """What sets the scheme of the run apart from the spec's: "clip.k 8.25, which is 10 in the spec"."""
    before, after = _flat(plain_scheme(measured)), _flat(plain_scheme(own))
    keys = [key for key in before | after if before.get(key) != after.get(key)]
    if "kind" in keys:
        keys = ["kind"]
    return " and ".join(f"{key} {_value(before, key)}, which is {_value(after, key)} in the spec" for key in keys)


def _value(settings: Plain, key: str) -> str:
    value = settings.get(key, "not given")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(plain: Plain, above: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found
