"""LS524 to LS527: averages that nothing loads, that take in nothing, or that keep what they started from."""

from __future__ import annotations

from dataclasses import replace

from ..passes.draft import Draft
from ..source.wording import did_you_mean, quoted
from ..spec.averaging import Unknown, first_step, starting_share, update_count
from ..spec.train import LAST, Average, Train
from .findings import Findings

KEPT_SHARE = 0.01


def check_averages(findings: Findings, draft: Draft) -> None:
    """Every average is loaded, and the loaded one holds what training made, not what it began with."""
    train = draft.spec.train
    for name in train.averages:
        if name != train.load:
            findings.error(
                "LS524",
                ("train", "averages", name),
                f"an average that nothing loads: train.load is {train.load}",
                f"set load: {name}, or remove the average",
                key=True,
            )
    if train.load != LAST and train.loaded is None:
        message = f"no average is named {quoted(train.load)}"
        known = did_you_mean(train.load, [*train.averages, LAST])
        mend = known if train.averages else f"declare it under train.averages, or set load: {LAST}"
        findings.error("LS525", ("train", "load"), message, mend)
    if train.loaded is not None:
        _check_loaded(findings, train, train.loaded)


def _check_loaded(findings: Findings, train: Train, average: Average) -> None:
    path = ("train", "averages", train.load)
    if update_count(average, train) == 0:
        findings.error(
            "LS526",
            path,
            f"this average takes in no weights: {_why_empty(average, train)}",
            "begin it earlier, take snapshots more often, or train longer",
            key=True,
        )
    elif average.kind == "ema" and not average.debias and _kept(average, train) > KEPT_SHARE:
        findings.warning(
            "LS527",
            path,
            f"{_kept(average, train):.1%} of this average will be the weights that it starts from",
            "set debias: true, lower the decay, or train longer",
            key=True,
        )


def _kept(average: Average, train: Train) -> float:
    """The largest share of the start that some store's average keeps."""
    decays = [average, *(replace(average, decay=rule.decay) for rule in average.decays)]
    shares = [starting_share(item, train) for item in decays]
    return max(0.0 if isinstance(share, Unknown) else share for share in shares)


def _why_empty(average: Average, train: Train) -> str:
    steps = train.known_steps
    if average.kind == "ema":
        return f"it starts after step {average.start_step}, training ends after {steps}"
    assert average.start is not None
    first = first_step(average.start, train)
    assert steps is not None and not isinstance(first, Unknown)
    if first is None:
        return f"its start is not reached in {steps} steps"
    return f"no step from {first + 1} to {steps} has a number that is a multiple of every: {average.every}"
