"""What a rule looks at and reports to: the document with its places, and the list of problems."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from ..schema import load_schema
from ..schema.defaults import fill_defaults
from ..source.diagnostic import Diagnostic, Related, Severity
from ..source.nodes import Mapping, node_at, span_at

YamlPath = tuple[str | int, ...]


@dataclass(slots=True)
class Findings:
    """Problems of one document. `plain` is the document with defaults filled in; places come from `root`."""

    root: Mapping
    plain: dict[str, Any]
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def given(self, path: YamlPath) -> bool:
        """Whether the spec itself (not a default) has a value there."""
        return node_at(self.root, path) is not None

    def is_default(self, path: YamlPath) -> bool:
        """Whether the value there is what the schema would fill in; for paths of keys alone."""
        without = copy.deepcopy(self.plain)
        below, value = without, self.plain
        for key in path[:-1]:
            below, value = below[str(key)], value[str(key)]
        del below[str(path[-1])]
        filled: Any = fill_defaults(without, load_schema())
        for key in path:
            filled = filled.get(key, {})
        return bool(filled == value[str(path[-1])])

    def error(
        self,
        code: str,
        path: YamlPath,
        message: str,
        hint: str,
        *,
        key: bool = False,
        related: tuple[Related, ...] = (),
    ) -> None:
        """Reports an error at the value of `path` (its key with `key`), or at the nearest place above it."""
        span = span_at(self.root, path, key=key)
        self.diagnostics.append(Diagnostic(code, Severity.ERROR, span, message, hint, related))

    def error_once(
        self,
        code: str,
        path: YamlPath,
        message: str,
        hint: str,
        *,
        key: bool = False,
        related: tuple[Related, ...] = (),
    ) -> None:
        """Like `error`, unless the very same is reported already: for what several blocks share."""
        if not self._reported(code, path, message, key=key):
            self.error(code, path, message, hint, key=key, related=related)

    def warning_once(self, code: str, path: YamlPath, message: str, hint: str) -> None:
        """Like `warning`, unless the very same is reported already."""
        if not self._reported(code, path, message):
            self.warning(code, path, message, hint)

    def _reported(self, code: str, path: YamlPath, message: str, *, key: bool = False) -> bool:
        found = (code, message, span_at(self.root, path, key=key))
        return any((item.code, item.message, item.span) == found for item in self.diagnostics)

    def warning(self, code: str, path: YamlPath, message: str, hint: str, *, key: bool = False) -> None:
        """Reports a warning, likewise."""
        self.diagnostics.append(Diagnostic(code, Severity.WARNING, span_at(self.root, path, key=key), message, hint))

    def related(self, path: YamlPath, message: str) -> tuple[Related, ...]:
        """A second place, for the `related` of an error."""
        return (Related(span_at(self.root, path), message),)

    def blocks(self) -> dict[str, dict[str, Any]]:
        """Groups of blocks by name."""
        groups: dict[str, dict[str, Any]] = self.plain["blocks"]
        return groups

    def stages(self) -> list[dict[str, Any]]:
        """Stages in order."""
        stages: list[dict[str, Any]] = self.plain["graph"]
        return stages
