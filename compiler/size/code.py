"""Bytes of code that count against a budget: as it reads, minified, and packed into one file that runs it."""

from __future__ import annotations

import ast
import base64
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass

_STUB = """\
import base64 as b,lzma as z,importlib.util as u,json,sys
S=json.loads(z.decompress(b.b85decode("{data}")))
class L:
 def find_spec(c,n,p=None,t=None):
  k=next((k for k in(n,n+".__init__")if k in S),0)
  return k and u.spec_from_loader(n,c,origin=k,is_package=k!=n)or None
 def create_module(c,s):0
 def exec_module(c,m):exec(compile(S[m.__spec__.origin],m.__spec__.origin,"exec"),m.__dict__)
sys.meta_path.insert(0,L())
exec(compile(S["{main}"],"{main}","exec"))
"""


_LZMA = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]
"""For text: more context of the byte before, and no alignment."""


@dataclass(frozen=True, slots=True)
class CodeBytes:
    """UTF-8 bytes of the same code in three forms; the first two are sums over the files."""

    readable: int
    minified: int
    wrapped: int


class CodeError(ValueError):
    """Sources that cannot be measured."""


def code_bytes(sources: Mapping[str, str], main: str) -> CodeBytes:
    """Measures sources by dotted module name ("model", "package.__init__"); `main` is the one that is run.

    Raises:
        CodeError: a source that is no Python, or no source `main`.
    """
    small = _minified(sources)
    return CodeBytes(
        readable=sum(len(source.encode()) for source in sources.values()),
        minified=sum(len(source.encode()) for source in small.values()),
        wrapped=len(_packed(small, main).encode()),
    )


def minified(source: str, name: str = "source") -> str:
    """The source without comments, docstrings, blank lines and annotations of functions, indented by one space.

    What reads its own docstrings, line numbers or those annotations changes; nothing else does. Annotations in a class
    stay, since dataclasses read them.
    """
    try:
        tree = ast.parse(source, name)
    except (SyntaxError, ValueError) as error:
        raise CodeError(f"{name}: not Python ({error}); measure the sources that are shipped") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_strings(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return _narrow(ast.unparse(ast.fix_missing_locations(tree))) + "\n"


def wrapped(sources: Mapping[str, str], main: str) -> str:
    """One Python file that imports the minified sources from within itself and runs `main` as `__main__`.

    Raises as `code_bytes`.
    """
    return _packed(_minified(sources), main)


def _minified(sources: Mapping[str, str]) -> dict[str, str]:
    return {name: minified(source, name) for name, source in sources.items()}


def _packed(small: Mapping[str, str], main: str) -> str:
    if main not in small:
        raise CodeError(f"there is no source {main!r} to run; there are {', '.join(sorted(small))}")
    plain = json.dumps(small, separators=(",", ":")).encode()
    packed = lzma.compress(plain, lzma.FORMAT_ALONE, filters=_LZMA)
    return _STUB.format(data=base64.b85encode(packed).decode(), main=main)


def is_wrapped(data: bytes) -> bool:
    """Whether the bytes of a file are what `wrapped` writes."""
    head, tail = _STUB.partition("{data}")[0], _STUB.rpartition("{main}")[2]
    return data.startswith(head.encode()) and data.endswith(tail.encode())


def _drop_strings(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Removes strings that stand alone as statements: docstrings, and those below attributes."""
    kept = [item for item in node.body if not _is_string(item)]
    node.body = kept or ([] if isinstance(node, ast.Module) else [ast.Pass()])


def _is_string(item: ast.stmt) -> bool:
    return isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)


def _narrow(source: str) -> str:
    """Indents by one space instead of four.

    `ast.unparse` escapes line breaks in string literals unless they are docstrings, which are gone: so every line
    begins with code.
    """
    lines = []
    for line in source.split("\n"):
        stripped = line.lstrip(" ")
        if stripped:
            lines.append(" " * ((len(line) - len(stripped)) // 4) + stripped)
    return "\n".join(lines)
