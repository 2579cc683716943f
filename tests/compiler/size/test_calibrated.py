from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.fixed_grids import FIXED_GRIDS

from loopspec.compiler import load_plan
from loopspec.compiler.passes.size import calibrate_plan, estimate_plan
from loopspec.compiler.size import SizedStore, store_interval
from loopspec.compiler.size.calibrated import (
    MeasuredRun,
    MeasuredStore,
    MeasurementError,
    calibrated,
    measurement_json,
    read_measurement,
)
from loopspec.compiler.source.shipped import shipped_specs
from loopspec.compiler.spec.build_quantization import build_scheme, plain_scheme
from loopspec.compiler.spec.published_schemes import PUBLISHED
from loopspec.compiler.spec.quantization import Clip, Codec, Scheme, Step
from loopspec.runtime.quantize import encode
from loopspec.runtime.quantize.storage import CODES

STD6, ABSMAX6 = Scheme("integer", 6, Clip("std", 12.85)), Scheme("integer", 6, Clip("absmax"))
SHAPE = (160, 128)
FULL = Scheme(
    "integer", 6, Clip("percentile_search", percentiles=(0.9, 1.0)), Step("group", 7), error_rank=3, prune=0.1
)


def measured(scheme, order0=100_000.0, within=None, shape=SHAPE):
    return MeasuredStore(shape, scheme, order0, within)


def one_store(**changed):
    values = {"shape": "[1]", "scheme": '{"kind": "binary"}', "order0_bytes": "1.0", "class_bytes": "null"} | changed
    store = ", ".join(f'"{key}": {value}' for key, value in values.items())
    return f'{{"steps": 1, "planned_steps": 1, "stores": {{"w": {{{store}}}}}}}'


def test_heavy_tails_are_known_once_measured():
    weights = np.random.default_rng(0).standard_t(4, SHAPE).astype(np.float32)
    codes = np.frombuffer(encode("w", weights, ABSMAX6).parts[CODES], np.int8).reshape(SHAPE)
    counts = np.unique(codes, return_counts=True)[1]
    order0 = float(-(counts * np.log2(counts / codes.size)).sum() / 8)
    run = MeasuredRun(100, 100, {"w": measured(ABSMAX6, order0, order0)})
    before = store_interval(SHAPE, ABSMAX6, Codec("rans"))
    after = calibrated({"w": SizedStore(SHAPE, ABSMAX6)}, Codec("rans"), run).stores["w"].measured
    steps = 1.4 * SHAPE[0]
    assert after is not None
    assert after.low - steps < order0 < after.high - steps < before.predicted
    assert after.high - after.low < 0.5 * (before.high - before.low)


def test_an_unfinished_run_refines_only_what_training_does_not_set():
    stores = {name: SizedStore(SHAPE, scheme) for name, scheme in (("std", STD6), ("absmax", ABSMAX6))}
    run = MeasuredRun(50, 100, {"std": measured(STD6), "absmax": measured(ABSMAX6)})
    found = calibrated(stores, Codec(), run)
    assert found.unrefined == ("absmax",)
    assert found.stores["absmax"].measured is None and found.stores["std"].measured is not None
    assert calibrated(stores, Codec(), replace(run, steps=96)).unrefined == ()


def test_floats_and_rate_distortion_stay_as_they_are():
    stores = {"half": SizedStore(SHAPE, Scheme("float16")), "grid": SizedStore(SHAPE, Scheme("rate_distortion"))}
    run = MeasuredRun(1, 1, {name: measured(store.scheme) for name, store in stores.items()})
    assert calibrated(stores, Codec("rans"), run).stores == stores
    assert calibrated(stores, Codec("rans"), MeasuredRun(1, 1, {})).unrefined == ()


def test_a_plan_is_refined_by_its_own_run_only():
    plan = load_plan(shipped_specs()["quickstart.yaml"], [FIXED_GRIDS, "budget.bytes=520000"])
    stores = {
        store.name: MeasuredStore(store.shape, store.scheme, store.elements * 0.3)
        for store in plan.exported_stores
        if store.scheme.coded
    }
    before = estimate_plan(plan)
    after, unrefined = calibrate_plan(plan, MeasuredRun(10, 10, stores))
    assert unrefined == () and after.fixed.predicted < before.fixed.predicted
    assert calibrate_plan(plan, MeasuredRun(10, 10, {}))[0] == before
    name = next(iter(stores))
    other = stores | {name: replace(stores[name], shape=(3, 4))}
    with pytest.raises(
        MeasurementError, match=rf"store {name} was measured with shape \[3, 4\], and has .*of this spec$"
    ):
        calibrate_plan(plan, MeasuredRun(10, 10, other))
    own = stores[name].scheme
    assert own.clip is not None
    for scheme, what in (
        (
            replace(own, clip=replace(own.clip, k=8.25)),
            r"clip\.k 8\.25, which is 20 in the spec; give a run that was packed",
        ),
        (
            replace(own, bits=7, prune=0.5),
            r"bits 7, which is 8 in the spec and prune 0\.5, which is not given in the spec;",
        ),
        (
            replace(own, step=Step("group", 16)),
            r"step\.kind group, .* and step\.columns 16, which is not given in the spec;",
        ),
        (Scheme("ternary"), r"kind ternary, which is integer in the spec;"),
    ):
        other = stores | {name: replace(stores[name], scheme=scheme)}
        with pytest.raises(MeasurementError, match=f"store {name} was measured under {what}"):
            calibrate_plan(plan, MeasuredRun(10, 10, other))


@pytest.mark.parametrize("scheme", [*PUBLISHED.values(), Scheme("binary"), Scheme("float16"), FULL], ids=str)
def test_a_scheme_is_written_as_a_spec_spells_it(scheme):
    plain = json.loads(json.dumps(plain_scheme(scheme)))
    assert build_scheme(plain) == scheme
    text = measurement_json(MeasuredRun(1, 1, {"w": measured(scheme)}))
    assert "Scheme(" not in text and json.loads(text)["stores"]["w"]["scheme"] == plain


def test_one_store_is_read():
    assert read_measurement(one_store(), "m.json").stores["w"] == MeasuredStore((1,), Scheme("binary"), 1.0)


def test_json_round_trip():
    run = MeasuredRun(7, 9, {"w": measured(STD6, 12.5, 11.5), "v": measured(ABSMAX6)})
    assert read_measurement(measurement_json(run), "m.json") == run


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"steps": 1, "planned_steps": 1, "stores": [1]}',
        '{"steps": 1, "stores": {}}',
        '{"steps": 1e400, "planned_steps": 1, "stores": {}}',
        '{"steps": 1.5, "planned_steps": 1, "stores": {}}',
        '{"steps": 1, "planned_steps": -1, "stores": {}}',
        one_store(order0_bytes="NaN"),
        one_store(order0_bytes="1e400"),
        one_store(class_bytes="Infinity"),
        one_store(class_bytes="-1"),
        one_store(class_bytes="1" + 400 * "0"),
        one_store(shape="[1e400]"),
        one_store(shape="[true]"),
        one_store(scheme='"Scheme(kind=1)"'),
        one_store(scheme="{}"),
        one_store(scheme='{"kind": "integer", "step": 3}'),
        "[" * 100_000,
    ],
)
def test_damaged_json(text):
    with pytest.raises(
        MeasurementError,
        match=r"^m\.json: not a measurement of a run \(.*\); measure the run again, by `loopspec pack`$",
    ):
        read_measurement(text, "m.json")
