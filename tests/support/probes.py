"""Small specs that are probed, and probes of them."""

from __future__ import annotations

from typing import Any

from support.small_specs import Plain, group, plan_of, small

from loopspec.runtime.analyse.probe import probe
from loopspec.runtime.analyse.records import Probe, Settings

SETTINGS = Settings(steps=2, sequence_length=8, batch=2, seed=5, data="random")


def looped(**sections: Any) -> Plain:
    """A flat stage and a looping one with most features, trained in two modes."""
    crawler = group(1, value_embedding=True)
    crawler["attention"] |= {"xsa": True}
    plain = small(
        model={
            "vocab_size": 11,
            "dim": 16,
            "value_embedding": {"dim": 4},
            "input": [{"kind": "ngram_hash", "order": 2, "buckets": 16, "dim": 4}, {"kind": "smear_gate"}],
        },
        blocks={"flat": group(2), "crawler": crawler},
        graph=[
            {"stage": "flat", "blocks": "flat", "skips": {"kind": "unet"}},
            {"stage": "crawler", "blocks": "crawler", "loops": 2, "loop_vector": {}},
        ],
        cadence=[{"pattern": ["single", "full"]}],
    )
    return plain | sections


def gated(kind: str, **sections: Any) -> Plain:
    """As `looped`, with parallel firings that a rule combines."""
    firing = {"kind": "parallel", "combine": {"kind": kind}}
    plain = looped(**sections)
    return plain | {"graph": [plain["graph"][0], {**plain["graph"][1], "firing": firing}]}


def probe_of(plain: Plain) -> Probe:
    return probe(plan_of(plain), SETTINGS, lambda text: None)


def findings_of(found: Probe) -> dict[str, tuple[str, str]]:
    """Kind and level by subject."""
    return {item.subject: (item.kind, item.level) for item in found.findings}
