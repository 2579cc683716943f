"""LS555 to LS557: what follows training and cannot do anything, and rules of decay that take no store."""

from __future__ import annotations

from ..passes.draft import Draft
from ..passes.quantization import matches
from ..plan import FROZEN, UNASSIGNED
from ..spec.averaging import Unknown, first_step
from ..spec.train import LAST, Finish, Train
from .findings import Findings


def check_finish(findings: Findings, draft: Draft) -> None:
    """Training leaves the batches that a replay asks for, and a distillation has a teacher."""
    train = draft.spec.train
    for index, part in enumerate(train.finish):
        path = ("train", "finish", index)
        if part.kind == "distill" and train.load == LAST:
            message = "a distillation without a teacher: train.load is last"
            findings.error("LS556", path, message, "declare an average and load it, or remove this part", key=True)
        if part.kind == "replay":
            kept = _kept_batches(part, train)
            if kept is not None and kept < (part.batches or 0):
                message = f"training leaves {kept} batches for the replay of {part.batches}"
                mend = "replay fewer, keep them from earlier on, or train longer"
                findings.error("LS555", (*path, "batches"), message, mend)


def _kept_batches(part: Finish, train: Train) -> int | None:
    """Batches that training leaves for a replay; None where the clock tells."""
    steps = train.known_steps
    if steps is None or train.stop.seconds is not None:
        return None
    if part.start is None:
        return steps
    first = first_step(part.start, train)
    if isinstance(first, Unknown):
        return None
    return 0 if first is None else steps - first


def check_decays(findings: Findings, draft: Draft) -> None:
    """Every rule of an average's decays takes some store that is trained."""
    assert draft.graph is not None
    stores = [store for store in draft.graph.stores if draft.groups[store.name] not in (FROZEN, UNASSIGNED)]
    for name, average in draft.spec.train.averages.items():
        taken = {
            next((index for index, rule in enumerate(average.decays) if matches(rule.match, store)), None)
            for store in stores
        }
        for index in range(len(average.decays)):
            if index not in taken:
                path = ("train", "averages", name, "decays", index)
                message = "no store is left for this rule of decay"
                findings.error("LS557", path, message, "mend its match, or remove the rule", key=True)
