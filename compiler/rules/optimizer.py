"""LS520 to LS522, LS530 to LS533: stores that no optimizer takes or can take; assignments and groups without effect."""

from __future__ import annotations

from ..graph.model import Store
from ..passes.draft import Draft
from ..passes.optimizer import first_assignment
from ..passes.quantization import matches
from ..plan import FROZEN, UNASSIGNED
from ..source.wording import did_you_mean, few, quoted
from ..spec.optimizer import DECLARED
from ..spec.phase_steps import trained_modes
from .findings import Findings, YamlPath


def check_optimizers(findings: Findings) -> None:
    """Every assignment names a group, and a list of coefficients has a row for each Newton-Schulz step."""
    train = findings.plain["train"]
    known = [*train["optimizer"], FROZEN, DECLARED]
    for index, rule in enumerate(train["assign"]):
        if rule["to"] not in known:
            message = f"no group of train.optimizer is named {quoted(rule['to'])}"
            findings.error("LS531", ("train", "assign", index, "to"), message, did_you_mean(rule["to"], known))
    for name, group in train["optimizer"].items():
        rows, steps = group.get("newton_schulz_coefficients"), group.get("newton_schulz_steps")
        if isinstance(rows, list) and len(rows) != steps:
            findings.error(
                "LS533",
                ("train", "optimizer", name, "newton_schulz_coefficients"),
                f"newton_schulz_steps is {steps}, the number of rows here is {len(rows)}",
                f"set newton_schulz_steps: {len(rows)}, or give a row for each step",
                key=True,
            )


def check_groups(findings: Findings, draft: Draft) -> None:
    """Every group that the spec gives an optimizer of its own trains some store."""
    tied = draft.spec.architecture.model.embedding.tied
    assigned = {rule.to for rule in draft.spec.train.assign}
    for name in draft.spec.train.optimizer:
        path: YamlPath = ("train", "optimizer", name)
        if name in draft.groups.values() or not findings.given(path) or findings.is_default(path):
            continue  # a resolved spec has every default written out, which asks for nothing
        if name in assigned or (name == "head" and tied):
            continue  # LS521 and LS514 say it
        findings.error(
            "LS532",
            path,
            f"no store is in group {name}: this optimizer trains nothing",
            f"remove it (in a child of the spec: {name}: null), or send stores to it by train.assign",
            key=True,
        )


def check_assignment(findings: Findings, draft: Draft) -> None:
    """Every store is taken by a rule of `train.assign`, and every rule takes some store."""
    assert draft.graph is not None
    rules = draft.spec.train.assign
    missing = [store.name for store in draft.graph.stores if draft.groups[store.name] == UNASSIGNED]
    if missing:
        findings.error(
            "LS520",
            ("train", "assign"),
            f"no optimizer trains {few(missing)}",
            "end the list with {to: declared}; to: frozen where a store is meant to stay as it starts",
            key=True,
        )
    taken = {first_assignment(rules, store) for store in draft.graph.stores}
    for index, rule in enumerate(rules):
        if index not in taken:
            shadowed = any(matches(rule.match, store) for store in draft.graph.stores)
            reason = "earlier rules take every store that it matches" if shadowed else "no store matches"
            findings.error(
                "LS521",
                ("train", "assign", index),
                f"this rule has no effect: {reason}",
                "remove it, or change its conditions or its place",
            )


def check_muon(findings: Findings, draft: Draft) -> None:
    """Muon orthogonalises, so that it takes matrices only."""
    assert draft.graph is not None
    places: dict[YamlPath, list[str]] = {}
    for store in draft.graph.stores:
        optimizer = draft.spec.train.optimizer.get(draft.groups[store.name])
        if optimizer is not None and optimizer.kind == "muon" and len(store.shape) != 2:
            places.setdefault(assignment_place(findings, draft, store), []).append(store.name)
    for place, names in places.items():
        findings.error(
            "LS522",
            place,
            f"muon trains matrices only, not {few(names)}",
            "assign it to a group that adamw trains, such as scalars",
        )


def check_trained_modes(findings: Findings, draft: Draft) -> None:
    """A step needs something to train: every mode of the cadence reads a store of some optimizer."""
    assert draft.graph is not None
    alive = {
        mode
        for store in draft.graph.stores
        if draft.groups[store.name] not in (FROZEN, UNASSIGNED)
        for mode in draft.uses[store.name].gradient_modes
    }
    idle = sorted(set(trained_modes(draft.spec)) - alive)
    if idle:
        findings.error(
            "LS530",
            ("train", "assign"),
            f"mode {idle[0]} is in the cadence, and no optimizer trains any store that it uses",
            "assign one of its stores to a group",
            key=True,
        )


def assignment_place(findings: Findings, draft: Draft, store: Store) -> YamlPath:
    """Where the document says which optimizer takes the store: its rule, else the list, else the group's optimizer."""
    index = first_assignment(draft.spec.train.assign, store)
    if index is not None and findings.given(("train", "assign", index)):
        return ("train", "assign", index)
    if findings.given(("train", "assign")):
        return ("train", "assign")
    return ("train", "optimizer", draft.groups[store.name])
