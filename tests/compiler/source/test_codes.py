import re
from importlib.resources import files
from pathlib import Path

import pytest

from loopspec.compiler import source
from loopspec.compiler.source.codes import TITLES, explain


def test_every_code_has_one_explanation():
    folder = files("loopspec.compiler.source").joinpath("explanations")
    assert sorted(item.name.removesuffix(".md") for item in folder.iterdir()) == sorted(TITLES)


@pytest.mark.parametrize("code", sorted(TITLES))
def test_explanations_say_why_what_is_wrong_and_the_mend(code):
    text = explain(code)
    assert text.startswith(f"{code}: {TITLES[code]}\n\n")
    for part in ("\nWhy: ", "\nWrong:\n", "\nMend: "):
        assert part in text, part


def test_every_code_in_the_compiler_is_registered():
    compiler = Path(source.__file__).parent.parent
    used = {code for path in compiler.rglob("*.py") for code in re.findall(r'"(LS\d{3})"', path.read_text("utf-8"))}
    assert used <= set(TITLES)
    assert "LS020" in used


def test_an_unknown_code_is_a_key_error():
    with pytest.raises(KeyError):
        explain("LS999")
