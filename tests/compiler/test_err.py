"""Every bad spec of tests/err prints exactly its golden text, as `validate` would show it from that folder.

`LOOPSPEC_REGENERATE=1 pytest tests/compiler/test_err.py` writes the goldens anew; read the difference before you keep
it. A new case is a file `tests/err/CODE_what_is_wrong.yaml`; parents that are no cases go to `tests/err/parents`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from loopspec.compiler.check import check_spec
from loopspec.compiler.source.codes import TITLES
from loopspec.compiler.source.report import render

FOLDER = Path(__file__).parent.parent / "err"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
NOT_REACHED_BY_A_FILE = {
    "LS002": "takes a file of more than a megabyte; tests/compiler/source/test_resolve.py makes one",
    "LS017": "of --set; tests/compiler/source/test_resolve.py",
    "LS018": "of --set",
    "LS019": "of --set",
    "LS028": "takes a hundred problems of other codes; tests/compiler/source/test_limit.py",
}


def _codes(golden: Path) -> set[str]:
    return set(re.findall(r": (?:expected )?(?:error|warning)\[(LS\d{3})\]", golden.read_text(encoding="utf-8")))


@pytest.mark.parametrize("case", CASES)
def test_text_is_the_golden(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    checked = check_spec(f"{case}.yaml")
    text = render("text", checked.diagnostics, checked.document.texts)
    golden = FOLDER / f"{case}.out"
    if os.environ.get("LOOPSPEC_REGENERATE") == "1":
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert text, "a case without a problem belongs to tests/ok"


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("ls")])
def test_case_has_the_code_of_its_name_and_no_other(case: str) -> None:
    assert _codes(FOLDER / f"{case}.out") == {case[:5].upper()}


def test_every_code_has_a_case() -> None:
    reached = {code for path in FOLDER.glob("*.out") for code in _codes(path)}
    assert reached | set(NOT_REACHED_BY_A_FILE) == set(TITLES)
    assert not reached & set(NOT_REACHED_BY_A_FILE)


def test_every_golden_has_its_spec() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.out")) == CASES


def test_the_parent_of_the_cases_is_clean() -> None:
    assert check_spec(FOLDER / "parents" / "tiny.yaml").diagnostics == ()
