"""What stays of modules, seen on a package made for it: the script does what the package does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loopspec.compiler.size.code import CodeError, wrapped
from loopspec.runtime.standalone import module_text
from loopspec.runtime.standalone.kept_text import kept_text
from loopspec.runtime.standalone.reachable import Reachable
from loopspec.runtime.standalone.statements import parse_source

FILES = {
    "shapes/__init__.py": '''
"""Shapes."""
from . import round
from .round import *
from .square import Square as Box, area
__all__ = ["Box", "area"]
__all__ += round.__all__
''',
    "shapes/round.py": """
import math
from heavy import everything
__all__ = ["circle"]
def circle(r): return math.pi * r * r
def sphere(r): return everything(r)
""",
    "shapes/square.py": '''
"""Squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..unused import Unused
from ..tools import names as tools, registry

if TYPE_CHECKING:
    from ..unused import Checked

SIDES = 4
"""Of a square."""

# kept with its comment
@dataclass
class Square:
    side: int
    made: ClassVar[list[Checked]] = []

    def area(self, more: Unused | None = None) -> Sequence[int]:
        from ..late import squared
        return squared(self.side)

def area(side): return Square(side).area(), tools.upper("ok"), registry.FOUND, SIDES

def unused(): return Unused()

if __name__ == "__main__":
    unused()
''',
    "tools/__init__.py": "",
    "tools/names.py": "def upper(text): return text.upper()\ndef lower(text): return text.lower()\n",
    "tools/registry.py": """
FOUND = {}
def register(name):
    def keep(function):
        FOUND[name] = function.__name__
        return function
    return keep
@register("one")
def first(): pass
FOUND["two"] = 2
""",
    "late.py": "def squared(x): return x * x\ndef cubed(x): return x * x * x\n",
    "whole.py": "from .late import cubed\nONE = 1\ndef two(): return ONE + 1\n",
    "unused.py": "class Unused: pass\n",
}
MAIN = """
from loopspec.shapes import area, circle
from loopspec import whole
print(area(3), round(circle(1)), sorted(name for name in dir(whole) if name[0] not in "_a"))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "loopspec"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(module_text, "_ROOT", root)
    (tmp_path / "heavy.py").write_text("def everything(x): return x")
    return tmp_path


def kept(main):
    reached = Reachable()
    reached.follow(parse_source("main", main))
    names = {name: f"{name}.__init__" if each.source.package else name for name, each in reached.modules.items()}
    return {names[name]: kept_text(each) for name, each in reached.modules.items() if name != "main"} | {"main": main}


def run(folder, text):
    (folder / "script.py").write_text(text)
    command = [sys.executable, "-S", "script.py"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


def test_the_script_does_what_the_package_does(package):
    alone = package / "alone"
    alone.mkdir()
    found = run(alone, wrapped(kept(MAIN), "main"))
    assert found == "(9, 'OK', {'one': 'first', 'two': 2}, 4) 3 ['ONE', 'cubed', 'two']\n"
    assert found == run(package, MAIN)


def test_what_nothing_reads_is_gone(package):
    sources = kept(MAIN)
    assert "loopspec.unused" not in sources
    square = sources["loopspec.shapes.square"]
    assert "unused" not in square and "if TYPE_CHECKING" not in square and "import Sequence" not in square
    assert "from typing import ClassVar\n" in square
    assert "# kept with its comment\n@dataclass" in square and '"""Of a square."""' in square
    assert "sphere" not in sources["loopspec.shapes.round"] and "heavy" not in sources["loopspec.shapes.round"]
    assert "lower" not in sources["loopspec.tools.names"]
    assert sources["loopspec.tools.__init__"] == ""
    assert sources["loopspec.shapes.__init__"].split("\n")[-3:] == [
        "from .round import circle",
        "from .square import area",
        "",
    ]


def test_a_module_is_made_of_the_same_text_each_time(package):
    assert kept(MAIN) == kept(MAIN)


@pytest.mark.parametrize(
    ("main", "message"),
    [
        ("from loopspec.shapes import cube", "loopspec.shapes has no cube that can be found without running it"),
        ("from loopspec.nowhere import x", "there is no module loopspec.nowhere in .*; install the package whole"),
        ("import loopspec.shapes.square", "main, line 1: import names of loopspec.shapes.square by `from`"),
    ],
)
def test_what_cannot_be_followed_is_an_error(package, main, message):
    with pytest.raises(CodeError, match=message):
        kept(main)
