"""Each rule of the verifier reports the graph that breaks it, and no other rule does."""

from __future__ import annotations

import re
from collections.abc import Callable

import networkx as nx
import pytest
from support.small_specs import draft_of, small

from loopspec.compiler.graph.builder import GraphBuilder, make_site
from loopspec.compiler.graph.model import Graph, State, Store
from loopspec.compiler.graph.verify import REPORTS, RULES, GraphError, verify
from loopspec.compiler.operations import LOSSES, OPERATIONS
from loopspec.compiler.spec.init import Init

MODES = ("full", "single")


def store(name: str, *shape: int) -> Store:
    return Store(name, shape, "scalars", Init("zero"))


def valid() -> Graph:
    """tokens -> embedding -> gate -> norm -> head -> loss in two modes; the norm's output updates a state in one.

    The other mode reads that state, in a blend between gate and norm.
    """
    builder = GraphBuilder()
    for name in ("table", "vector", "blend_gate"):
        builder.store(store(name, 4))
    builder.state(State("average", (4,)))
    for builder.mode in MODES:
        tokens = builder.site(make_site("tokens", "tokens"), {})
        targets = builder.site(make_site("targets", "targets"), {})
        x = builder.site(make_site("embedding", "embedding"), {"tokens": tokens}, {"weight": "table"})
        x = builder.site(make_site("gate", "smear_gate"), {"x": x}, {"gate": "vector"})
        if builder.mode == "single":
            x = builder.site(make_site("blend", "gated_blend_average"), {"a": x}, {"gate": "blend_gate"})
            builder.reads("average", x, "average")
        x = builder.site(make_site("norm", "rms_norm"), {"x": x})
        if builder.mode == "full":
            update = builder.site(make_site("update", "update_average", decay=0.9), {"k": x})
            builder.reads("average", update, "average")
            builder.writes(update, "average", "average")
        logits = builder.site(make_site("head", "head"), {"x": x}, {"weight": "table"})
        builder.site(make_site("loss", "cross_entropy"), {"logits": logits, "targets": targets})
    return builder.graph


def flow(graph: Graph, source: str, target: str, port: str = "x", output: str = "out", *modes: str) -> None:
    key = f"flow:{output}->{port}"
    graph.nx.add_edge(source, target, key=key, kind="flow", source=output, target=port, modes=frozenset(modes or MODES))


def add(graph: Graph, site_id: str, operation: str, *modes: str) -> None:
    graph.nx.add_node(site_id, node=make_site(site_id, operation), modes=frozenset(modes or MODES))
    for mode in MODES:
        graph.built[mode][site_id] = len(graph.built[mode])


def bind_a_state(graph: Graph) -> None:
    graph.nx.remove_edge("vector", "gate")
    graph.nx.add_edge("average", "gate", key="binds:gate", kind="binds", slot="gate", modes=frozenset(MODES))


def let_a_store_flow(graph: Graph) -> None:
    graph.nx.remove_edge("embedding", "gate")
    flow(graph, "vector", "gate")


def write_to_a_store(graph: Graph) -> None:
    graph.nx.add_edge("norm", "vector", key="writes:v", kind="writes", slot="v", modes=frozenset(MODES))


def name_no_operation(graph: Graph) -> None:
    graph.nx.nodes["norm"]["node"] = make_site("norm", "layer_norm")


def name_no_input(graph: Graph) -> None:
    flow(graph, "embedding", "norm", "x0")


def name_no_output(graph: Graph) -> None:
    graph.nx.remove_edge("embedding", "gate")
    flow(graph, "embedding", "gate", "x", "logits")


def take_an_input_away_in_one_mode(graph: Graph) -> None:
    graph.nx.edges["targets", "loss", "flow:out->targets"]["modes"] = frozenset({"full"})
    graph.nx.nodes["targets"]["modes"] = frozenset({"full"})


def give_two_inputs(graph: Graph) -> None:
    flow(graph, "embedding", "norm", "x", "out", "full")


def leave_a_slot_empty(graph: Graph) -> None:
    graph.nx.remove_edge("vector", "gate")


def fill_a_slot_that_is_not_there(graph: Graph) -> None:
    graph.nx.add_edge("vector", "norm", key="binds:weight", kind="binds", slot="weight", modes=frozenset(MODES))


def fill_a_slot_twice(graph: Graph) -> None:
    graph.nx.add_edge("table", "gate", key="binds:gate", kind="binds", slot="gate", modes=frozenset({"full"}))


def bind_past_the_module(graph: Graph) -> None:
    """The emitted call would use `smear_gate.gate`, whatever is bound here."""
    graph.nx.nodes["gate"]["node"] = make_site("gate", "smear_gate", module="smear_gate")


def flow_in_a_mode_that_does_not_run(graph: Graph) -> None:
    graph.nx.edges["gate", "norm", "flow:out->x"]["modes"] |= {"other"}


def make_a_cycle(graph: Graph) -> None:
    add(graph, "one", "rms_norm")
    add(graph, "two", "rms_norm")
    flow(graph, "one", "two")
    flow(graph, "two", "one")


def lose_twice(graph: Graph) -> None:
    add(graph, "again", "cross_entropy")
    flow(graph, "head", "again", "logits")
    flow(graph, "targets", "again", "targets")


def leave_an_output_unread(graph: Graph) -> None:
    add(graph, "aside", "rms_norm")
    flow(graph, "gate", "aside")


def leave_an_output_unread_in_one_mode(graph: Graph) -> None:
    add(graph, "aside", "rms_norm")
    flow(graph, "gate", "aside")
    add(graph, "sum", "residual_sum", "full")
    graph.nx.remove_edge("norm", "head")
    flow(graph, "norm", "head", "x", "out", "single")
    flow(graph, "norm", "sum", "x", "out", "full")
    flow(graph, "aside", "sum", "branch", "out", "full")
    graph.nx.add_edge("sum", "head", key="flow:sum", kind="flow", source="out", target="x", modes=frozenset({"full"}))


def report_to_the_norm(graph: Graph, operation: str) -> None:
    """A site whose output nothing reads, after gate and norm."""
    add(graph, "change", operation)
    flow(graph, "gate", "change", "before" if operation == "relative_change" else "branch")
    flow(graph, "norm", "change")


def write_what_the_operation_does_not(graph: Graph) -> None:
    graph.nx.add_edge("norm", "average", key="writes:a", kind="writes", slot="a", modes=frozenset({"single"}))


def read_what_the_operation_does_not(graph: Graph) -> None:
    graph.nx.add_edge("average", "norm", key="reads:a", kind="reads", slot="a", modes=frozenset({"single"}))


def forget_to_read_a_state(graph: Graph) -> None:
    graph.nx.remove_edge("average", "blend")


def forget_to_read_what_is_written(graph: Graph) -> None:
    graph.nx.remove_edge("average", "update")


def forget_to_write_a_state(graph: Graph) -> None:
    graph.nx.remove_edge("update", "average")


def forget_to_write_in_one_mode(graph: Graph) -> None:
    graph.nx.nodes["update"]["modes"] = frozenset(MODES)
    graph.built["single"]["update"] = len(graph.built["single"])
    graph.nx.edges["norm", "update", "flow:out->k"]["modes"] = frozenset(MODES)
    graph.nx.edges["average", "update", "reads:average"]["modes"] = frozenset(MODES)


def write_another_state_than_is_read(graph: Graph) -> None:
    forget_to_write_a_state(graph)
    graph.nx.add_node("other", node=State("other", (4,)))
    graph.nx.add_edge("update", "other", key="writes", kind="writes", slot="average", modes=frozenset({"full"}))


BROKEN: tuple[tuple[str, Callable[[Graph], None], str], ...] = (
    ("G01", bind_a_state, "binds average -> gate"),
    ("G01", let_a_store_flow, "flow vector -> gate"),
    ("G01", write_to_a_store, "writes norm -> vector"),
    ("G02", name_no_operation, "norm"),
    ("G03", name_no_input, "embedding.out -> norm.x0"),
    ("G03", name_no_output, "embedding.logits -> gate.x"),
    ("G04", take_an_input_away_in_one_mode, "loss.targets in single"),
    ("G05", give_two_inputs, "norm.x in full"),
    ("G06", leave_a_slot_empty, "gate in full: no store for gate"),
    ("G06", fill_a_slot_that_is_not_there, "norm in full: no slot weight"),
    ("G07", flow_in_a_mode_that_does_not_run, "gate -> norm in ['other']"),
    ("G08", make_a_cycle, "full"),
    ("G09", lose_twice, "full has 2"),
    ("G10", leave_an_output_unread, "aside in"),
    ("G11", fill_a_slot_twice, "gate.gate in full"),
    ("G12", bind_past_the_module, "gate.gate = vector"),
    ("G10", leave_an_output_unread_in_one_mode, "aside in single"),
    ("G10", lambda graph: report_to_the_norm(graph, "residual_sum"), "change in full"),
    ("G13", write_what_the_operation_does_not, "norm in single: writes a"),
    ("G13", read_what_the_operation_does_not, "norm in single: reads a"),
    ("G13", forget_to_read_a_state, "blend in single: reads average"),
    ("G13", forget_to_read_what_is_written, "update in full: reads average"),
    ("G13", forget_to_write_a_state, "update in full: writes average"),
    ("G13", forget_to_write_in_one_mode, "update in single: writes average"),
    ("G13", write_another_state_than_is_read, "update in full: two states in average"),
)


@pytest.mark.parametrize(("rule", "breach", "what"), BROKEN, ids=lambda item: getattr(item, "__name__", None))
def test_a_breach_is_reported_by_its_rule_alone(rule: str, breach: Callable[[Graph], None], what: str) -> None:
    graph = valid()
    breach(graph)
    with pytest.raises(GraphError, match="after pass 'test'") as caught:
        verify(graph, "test")
    text = str(caught.value)
    assert set(re.findall(r"^  (G\d\d) ", text, re.MULTILINE)) == {rule}
    assert what in text


def test_every_rule_has_a_breach() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.id for rule in RULES}


def test_a_mode_without_a_loss_is_reported() -> None:
    graph = valid()
    graph.nx.remove_node("loss")
    with pytest.raises(GraphError, match=r"G09 .*: single has 0"):
        verify(graph, "test")


def test_a_valid_graph_with_a_state_passes() -> None:
    graph = valid()
    verify(graph, "test")
    assert [state.name for state in graph.states] == ["average"]


def test_a_report_may_stay_unread() -> None:
    graph = valid()
    report_to_the_norm(graph, "relative_change")
    verify(graph, "test")


def test_only_what_writes_or_reports_or_is_a_loss_may_stay_unread() -> None:
    exempt = {name for name, operation in OPERATIONS.items() if operation.writes or name in LOSSES or name in REPORTS}
    assert exempt == {
        *("update_average", "update_average_always", "record_trace", "add_trace", "relative_change"),
        *("cross_entropy", "weighted_loss", "learned_weighted_loss"),
    }


def test_a_loss_that_another_loss_reads_is_not_the_modes_loss() -> None:
    graph = valid()
    add(graph, "total", "weighted_loss")
    flow(graph, "loss", "total", "loss")
    verify(graph, "test")


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph.add_node("more", node=store("more", 1)),
        lambda graph: graph.remove_node("output/loss"),
        lambda graph: graph.add_edge("output/norm", "output/loss", kind="flow"),
        lambda graph: graph.remove_edge("output/head", "output/loss"),
        lambda graph: graph.clear(),
    ],
)
def test_a_bound_graph_cannot_be_changed(change: Callable[[nx.MultiDiGraph], None]) -> None:
    graph = draft_of(small(), "bind").graph
    assert graph is not None
    before = (graph.nx.number_of_nodes(), graph.nx.number_of_edges())
    with pytest.raises(nx.NetworkXError, match="Frozen graph"):
        change(graph.nx)
    assert (graph.nx.number_of_nodes(), graph.nx.number_of_edges()) == before


def test_one_name_is_one_store() -> None:
    builder = GraphBuilder()
    builder.store(store("a", 4))
    builder.store(store("a", 4))
    with pytest.raises(AssertionError, match="a declared twice, differently"):
        builder.store(store("a", 5))
    assert [declared.shape for declared in builder.graph.stores] == [(4,)]
