"""Hand-made attacks, each with its error, one line each in attacks/FAMILY.txt.

LOOPSPEC_REGENERATE=1 writes the files anew; read the difference.
"""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from time import perf_counter

import pytest
from support.artifact_attacks import ATTACKS, GOOD

from loopspec.runtime.artifact import ArtifactError, parse_artifact

FOLDER = Path(__file__).with_name("attacks")
CASES = [(family, name) for family, attacks in ATTACKS.items() for name in attacks]


def error_of(whole: bytes) -> str:
    with pytest.raises(ArtifactError) as caught:
        parse_artifact(whole, "x")
    return str(caught.value)


def goldens(family: str) -> dict[str, str]:
    lines = (FOLDER / f"{family}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" -> ", 1) for line in lines)


@pytest.mark.parametrize("family", ATTACKS)
def test_every_attack_has_its_error(family):
    errors = {name: error_of(attack()) for name, attack in ATTACKS[family].items()}
    if os.environ.get("LOOPSPEC_REGENERATE"):
        text = "".join(f"{name} -> {error}\n" for name, error in errors.items())
        (FOLDER / f"{family}.txt").write_text(text, encoding="utf-8")
    assert errors == goldens(family)
    for error in errors.values():
        assert error.startswith(("x: ", "x, ")) and error.isprintable() and "; " in error and len(error) < 500


def test_what_is_attacked_is_sound():
    assert parse_artifact(GOOD, "x").tokenizer == b"tokenizer model"


BOMBS = [case for case in CASES if any(word in case[1] for word in ("giga", "mega", "claim", "million", "nested"))]


@pytest.mark.parametrize("cases", [BOMBS, pytest.param(CASES, marks=pytest.mark.torture)], ids=["bombs", "all"])
def test_no_attack_takes_much_memory_or_time(cases):
    for family, name in cases:
        whole = ATTACKS[family][name]()
        tracemalloc.start()
        start = perf_counter()
        error_of(whole)
        seconds, peak = perf_counter() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert seconds < 5 and peak < 2**26 + 50_000_000, (family, name, seconds, peak)
