"""What a plan says of training before the run, against what training orders step by step."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from loopspec.compiler.spec.averaging import first_step, quantization_aware_steps, update_count
from loopspec.compiler.spec.batches import BatchPhase, BatchShape
from loopspec.compiler.spec.cadence import Phase, Until
from loopspec.compiler.spec.clock import Stop
from loopspec.compiler.spec.phase_steps import end_step, phase_steps, steps_by_mode
from loopspec.compiler.spec.train import Average, Finish, QuantizationAware, Schedule, Start, Train
from loopspec.runtime.train.main_stage import ROUNDING, SNAPSHOTS, MainStage
from loopspec.runtime.train.order import StepOrder

FRACTIONS = st.integers(1, 100).map(lambda percent: percent / 100)
SHAPES = st.builds(BatchShape, st.just(2), st.integers(1, 12).map(lambda pairs: 2 * pairs), st.just(1))
STARTS = st.builds(
    Start,
    lr_scale=st.none() | st.floats(0.01, 1.0),
    step=st.none() | st.integers(0, 40),
    fraction=st.none() | FRACTIONS,
)
UNTILS = st.one_of(
    st.builds(Until, st.just("steps"), st.integers(1, 40)),
    st.builds(Until, st.just("tokens"), st.integers(1, 400)),
    st.builds(Until, st.just("fraction"), FRACTIONS),
    st.builds(Until, st.just("lr_warmdown"), st.floats(0, 1)),
)
PHASES = st.builds(Phase, st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), UNTILS)
BATCH_PHASES = st.one_of(
    st.builds(BatchPhase, SHAPES, steps=st.integers(1, 30)), st.builds(BatchPhase, SHAPES, tokens=st.integers(1, 400))
)


@st.composite
def specs(draw: st.DrawFn) -> Any:
    """A spec as far as training goes, by steps or by tokens; with both limits now and then."""
    clock = draw(st.sampled_from(("steps", "tokens")))
    limits = {"steps": draw(st.integers(1, 40)), "tokens": draw(st.integers(1, 500))}
    if not draw(st.booleans()):
        limits = {clock: limits[clock]}
    length = draw(st.integers(0, 40 if clock == "steps" else 500))
    schedule = Schedule(
        clock,
        warmup_steps=draw(st.integers(0, 9)),
        hold_steps=draw(st.integers(0, 30)),
        floor=draw(st.floats(0, 1)),
        **{f"warmdown_{clock}": length},
    )
    shape = draw(SHAPES)
    train = Train(
        3,
        shape.sequence_length,
        shape.batch_tokens,
        shape.accumulation,
        Stop(**limits),
        schedule,
        {},
        batch_schedule=tuple(draw(st.lists(BATCH_PHASES, max_size=3))),
        finish=(Finish("replay", 0.1, batches=4, epochs=1, start=draw(st.none() | STARTS)),),
        averages={"swa": Average("swa", every=draw(st.integers(1, 4)), start=draw(STARTS))},
        load="swa",
        quantization_aware=QuantizationAware(draw(STARTS)),
    )
    cadence = (*draw(st.lists(PHASES, max_size=3)), Phase(("a", "b")))
    return SimpleNamespace(train=train, cadence=cadence)


def walked(spec: Any) -> tuple[MainStage, list[StepOrder], list[int], list[int]]:
    """The orders of a whole training, the phase of each, and the tokens before each."""
    stage, orders, phases, tokens, trained = MainStage(spec), list[StepOrder](), list[int](), list[int](), 0
    while (order := stage.order(len(orders), 0.0)) is not None:
        assert stage.moment(len(orders), 0.0).tokens == trained
        stage.keep({"position": len(orders)}, order, len(orders))
        orders.append(order)
        phases.append(stage._phases.phase)
        tokens.append(trained)
        trained += order.shape.batch_tokens
    return stage, orders, phases, [*tokens, trained]


@examples(150)
@given(spec=specs())
def test_the_plan_says_what_training_does(spec: Any) -> None:
    train = spec.train
    stage, orders, phases, tokens = walked(spec)
    assert len(orders) == train.known_steps
    assert stage.ended_by == ("steps" if train.stop.steps == len(orders) else "tokens")
    for step in range(len(orders)):
        assert train.step_at_tokens(tokens[step]) == step
    rounded = [step for step, order in enumerate(orders) if order.rounded]
    assert rounded == list(range(len(orders) - quantization_aware_steps(train), len(orders)))
    first = first_step(train.quantization_aware.start, train)
    assert stage.since.get(ROUNDING) == first == (rounded[0] if rounded else None)
    swa = train.averages["swa"]
    since = stage.since.get(SNAPSHOTS)
    assert since == first_step(swa.start, train)
    taken = [step for step in range(1, len(orders) + 1) if since is not None and step > since and step % swa.every == 0]
    assert len(taken) == update_count(swa, train)
    for index, planned in enumerate(phase_steps(spec.cadence, train)):
        assert planned.steps is not None
        assert list(planned.steps) == [step for step, phase in enumerate(phases) if phase == index]
        assert end_step(planned.phase.until, train) is not None
    modes = [order.mode for order in orders]
    assert {mode: count for mode, count in (steps_by_mode(spec) or {}).items() if count} == {
        mode: modes.count(mode) for mode in set(modes)
    }


@examples(60)
@given(spec=specs())
def test_a_replay_keeps_the_last_batches_from_its_start_on(spec: Any) -> None:
    stage, orders, _, _ = walked(spec)
    start = spec.train.finish[0].start
    first = 0 if start is None else first_step(start, spec.train)
    wanted = [] if first is None else list(range(first, len(orders)))[-4:]
    assert [place["place"]["position"] for place in stage.places[0]] == wanted
    for step, place in zip(wanted, stage.places[0], strict=True):
        shape = orders[step].shape
        assert place["shape"] == [shape.sequence_length, shape.batch_tokens, shape.accumulation]


@examples(60)
@given(spec=specs(), data=st.data())
def test_a_restored_stage_orders_the_same(spec: Any, data: st.DataObject) -> None:
    whole, orders, _, _ = walked(spec)
    cut = data.draw(st.integers(0, len(orders)))
    first = MainStage(spec)
    for step in range(cut):
        order = first.order(step, 0.0)
        assert order is not None
        first.keep({"position": step}, order, step)
    second = MainStage(spec)
    second.restore(first.state())
    for step in range(cut, len(orders)):
        order = second.order(step, 0.0)
        assert order == orders[step]
        second.keep({"position": step}, order, step)
    assert second.order(len(orders), 0.0) is None
    assert second.state() == whole.state()
    third = MainStage(spec)
    third.restore(second.state())
    third.restore(second.state())  # what it held is gone
    assert third.state() == whole.state()


def by_seconds(**changes: Any) -> Any:
    train = Train(1, 2, 2, 1, Stop(seconds=10.0, steps=100), Schedule("seconds", warmdown_steps=4), {}, **changes)
    return SimpleNamespace(train=train, cadence=(Phase(("a",), Until("fraction", 0.5)), Phase(("b",))))


def test_a_start_that_was_reached_holds_though_the_multiplier_rises_again() -> None:
    """A slow first step makes the warm-down look near; the pace then tells otherwise."""
    stage = MainStage(by_seconds(quantization_aware=QuantizationAware(Start(lr_scale=0.9))))
    orders = [stage.order(step, seconds) for step, seconds in enumerate((0.0, 4.0, 4.1, 4.2, 9.5))]
    assert [round(order.lr_scale, 3) for order in orders if order] == [1.0, 0.375, 0.72, 1.0, 0.053]
    assert [order.rounded for order in orders if order] == [False, True, True, True, True]
    assert stage.since == {ROUNDING: 1}


def test_seconds_end_it_and_shares_go_by_them() -> None:
    stage = MainStage(by_seconds())
    modes = []
    for step, seconds in enumerate((0.0, 4.9, 5.0, 9.99)):
        order = stage.order(step, seconds)
        assert order is not None and order.seconds == seconds
        modes.append(order.mode)
    assert modes == ["a", "a", "b", "b"]
    assert stage.order(4, 10.0) is None and stage.ended_by == "seconds"


def test_a_replay_that_has_begun_to_keep_batches_keeps_them_all() -> None:
    """By the wall clock a quicker step shortens the warm-down and raises the multiplier again."""
    part = Finish("replay", 0.1, batches=9, epochs=1, start=Start(lr_scale=0.9))
    train = Train(3, 4, 8, 1, Stop(seconds=100.0), Schedule("seconds", warmdown_steps=1), {}, finish=(part,))
    spec: Any = SimpleNamespace(train=train, cadence=(Phase(("a",)),))
    stage, scales = MainStage(spec), list[float]()
    for step, seconds in enumerate((0.0, 60.0, 60.1, 60.2, 60.3, 60.4, 60.5)):
        if step == 5:  # a resume in between
            state, stage = stage.state(), MainStage(spec)
            stage.restore(state)
        order = stage.order(step, seconds)
        assert order is not None
        scales.append(order.lr_scale)
        stage.keep({"position": step}, order, step)
    assert scales[1] < 0.9 < max(scales[4:])
    assert [place["place"]["position"] for place in stage.places[0]] == [1, 2, 3, 4, 5, 6]
