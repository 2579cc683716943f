from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loopspec.compiler.size import entropy
from loopspec.compiler.size.code import CodeError, code_bytes, is_wrapped, minified, wrapped

HELPER = '''"""Adds."""

from __future__ import annotations


class Adder:
    """Of two."""

    amount: int = 2
    """How much."""

    def add(self, value: int) -> int:
        """The sum."""
        # a comment
        if value > 0:
            return value + self.amount
        return value


def nothing() -> None:
    """Only says so."""
'''
MAIN = '''"""Runs."""
import sys

from package.helper import Adder, nothing

TEXT = """first
    second "quoted" \\x00 é
"""

if __name__ == "__main__":
    nothing()
    print(Adder().add(40), TEXT.encode(), __name__, sys.argv[1:])
'''
SOURCES = {"package.__init__": "", "package.helper": HELPER, "main": MAIN}


def run(text, tmp_path, *arguments):
    (tmp_path / "wrapped.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-I", "wrapped.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout


def test_wrapped_code_runs_as_the_sources_do(tmp_path):
    expected = "42 " + repr('first\n    second "quoted" \x00 é\n'.encode()) + " __main__ ['a']\n"
    assert run(wrapped(SOURCES, "main"), tmp_path, "a") == expected


def test_minified_code_does_the_same_with_fewer_bytes():
    small = minified(HELPER)
    assert '"""' not in small and "#" not in small and "\n\n" not in small
    plain, packed = {}, {}
    exec(HELPER, plain)
    exec(small, packed)
    assert [packed["Adder"]().add(value) for value in (-1, 5)] == [plain["Adder"]().add(value) for value in (-1, 5)]
    assert packed["nothing"]() is None


def test_the_three_counts():
    sources = {f"module_{number}": HELPER for number in range(40)} | SOURCES
    found = code_bytes(sources, "main")
    assert found.readable == sum(len(text.encode()) for text in sources.values())
    assert found.minified == sum(len(minified(text).encode()) for text in sources.values())
    assert found.wrapped == len(wrapped(sources, "main").encode())
    assert found.wrapped < found.minified < found.readable


def test_annotations_stay_where_a_dataclass_reads_them():
    small = minified(HELPER)
    assert "amount: int = 2" in small
    assert "def add(self, value):" in small and "def nothing():" in small


def test_a_wrapped_file_is_known_again():
    text = wrapped(SOURCES, "main").encode()
    assert is_wrapped(text)
    assert not any(is_wrapped(other) for other in (b"", b"mine", text[:-1], b" " + text))


def test_the_compilers_own_sources_survive_minifying():
    small = {}
    exec(minified(Path(entropy.__file__).read_text(encoding="utf-8")), small)
    assert small["gaussian_entropy"](6, 12.85) == entropy.gaussian_entropy(6, 12.85)


def test_faults():
    with pytest.raises(CodeError, match=r"^broken: not Python \(.*\); measure the sources that are shipped$"):
        minified("def (", "broken")
    with pytest.raises(CodeError, match=r"there is no source 'start' to run; there are main, "):
        wrapped(SOURCES, "start")
