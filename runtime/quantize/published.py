"""Policies that parameter-golf pull requests published: which of their tensors got which of the published schemes."""

from __future__ import annotations

from ...compiler.spec.published_schemes import DESCRIBED, SCHEMES
from ...compiler.spec.quantization import Match, Rule, Scheme

SMALL_ELEMENTS = 65_536
"""Stores up to this size stay float16."""


def _classes(int6: Scheme, mlp: Scheme | None = None) -> tuple[Rule, ...]:
    """Small stores float16, matrices of attention, MLP and projections int6, the rest int8; peers' names of tensors."""
    matrices = (
        Rule(int6 if mlp is None else mlp, Match(name="*.mlp.*")),
        Rule(int6, Match(name="*.attn.*")),
        Rule(int6, Match(name="*.proj.*")),
    )
    return (
        Rule(Scheme("float16"), Match(max_elements=SMALL_ELEMENTS)),
        *matrices,
        Rule(SCHEMES["challenge-int8-rows"]),
    )


POLICIES: dict[str, tuple[Rule, ...]] = {
    "challenge-int6": _classes(SCHEMES["challenge-int6-rows"]),
    "challenge-int5-mlp": _classes(SCHEMES["challenge-int6-rows"], DESCRIBED["int5-rows"]),
    "challenge-gptq": _classes(SCHEMES["challenge-int6-gptq"]),
    "gs7-gptq": _classes(SCHEMES["gs7-int6-gptq"]),
}
