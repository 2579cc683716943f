"""The part of this package that a source reaches: its modules, of each only the definitions that something reads.

What it can rest on: a top-level function, class or assignment that nothing kept refers to does not run and is not read,
so it goes; any other statement of a module that is imported stays. Names are compared without regard to scope, an
import inside a function counts if the function stays, and a module that is used as a value stays whole: all err on the
side of keeping. What reads names made at run time (`globals()["a" + "b"]`) is not seen; nothing here does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...compiler.size.code import CodeError
from .module_text import module_path
from .references import References
from .statements import Binding, ModuleSource, Statement, own_imports, read_module


@dataclass(slots=True)
class Kept:
    """What stays of a module.

    Attributes:
        names: what is read of it.
        own: what is read of it that it imports from this package.
    """

    source: ModuleSource
    statements: set[Statement] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    own: dict[str, Binding] = field(default_factory=dict)


class Reachable:
    """Modules by name, grown by `follow`."""

    def __init__(self) -> None:
        self.modules: dict[str, Kept] = {}
        self._sources: dict[str, ModuleSource] = {}
        self._seen: set[tuple[str, str]] = set()

    def follow(self, source: ModuleSource) -> None:
        """Keeps the whole of `source`, and what it reaches. Raises CodeError for a name that is nowhere."""
        self._sources[source.name] = source
        self._enter(source.name)
        for statement in source.statements:
            self._keep(source, statement)
        for name in source.imports:
            self._need(source.name, name)

    def _enter(self, name: str) -> None:
        """An import of the module runs it, and first the packages that it lies in."""
        if name in self.modules:
            return
        parent = name.rpartition(".")[0]
        if parent:
            self._enter(parent)
        source = self._source(name)
        self.modules[name] = Kept(source)
        for statement in source.statements:
            if statement.always:
                self._keep(source, statement)

    def _source(self, name: str) -> ModuleSource:
        if name not in self._sources:
            self._sources[name] = read_module(name)
        return self._sources[name]

    def _need(self, module: str, name: str) -> None:
        """Keeps what `name` is in `module`."""
        if (module, name) in self._seen:
            return
        self._seen.add((module, name))
        self._enter(module)
        source = self._source(module)
        self.modules[module].names.add(name)
        if name in source.imports:
            binding = self._resolved(source.imports[name])
            self.modules[module].own[name] = source.imports[name]
            if binding.attribute is None:
                self._enter(binding.module)
            else:
                self._need(binding.module, binding.attribute)
        elif name in source.binding:
            for statement in source.binding[name]:
                self._keep(source, statement)
        else:
            self._need_by_star(source, name)

    def _need_by_star(self, source: ModuleSource, name: str) -> None:
        for star in source.stars:
            if name in self._source(star).binding:
                self.modules[source.name].own[name] = Binding(star, name)
                self._need(star, name)
                return
        raise CodeError(f"{source.name} has no {name} that can be found without running it; import it from its module")

    def _resolved(self, binding: Binding) -> Binding:
        """A module where the name is no attribute but a module of its own."""
        assert binding.attribute is not None
        source = self._source(binding.module)
        bound = source.imports.get(binding.attribute, binding) != binding or binding.attribute in source.binding
        inner = f"{binding.module}.{binding.attribute}"
        return binding if bound or module_path(inner) is None else Binding(inner, None)

    def _keep(self, source: ModuleSource, statement: Statement) -> None:
        kept = self.modules[source.name].statements
        if statement not in kept:
            kept.add(statement)
            self._keep_references(source, statement.references)

    def _keep_references(self, source: ModuleSource, found: References) -> None:
        for name in found.names:
            self._use(source, name, None)
        for name, attribute in found.attributes:
            self._use(source, name, attribute)
        for node in found.imports:
            for _, binding in own_imports(node, source.name, package=source.package):
                self._need_whole(self._resolved(binding))

    def _use(self, source: ModuleSource, name: str, attribute: str | None) -> None:
        if name not in source.imports:
            if name in source.binding or any(name in self._source(star).binding for star in source.stars):
                self._need(source.name, name)
            return
        self._need(source.name, name)
        binding = self._resolved(source.imports[name])
        if binding.attribute is None:
            self._need_whole(binding) if attribute is None else self._need(binding.module, attribute)

    def _need_whole(self, binding: Binding) -> None:
        """A name, or all names of a module that is used as a value."""
        if binding.attribute is not None:
            self._need(binding.module, binding.attribute)
            return
        self._enter(binding.module)
        source = self._source(binding.module)
        for name in (*source.binding, *source.imports):
            self._need(binding.module, name)
