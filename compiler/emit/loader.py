"""Runs emitted source as a module, with its lines in linecache so that tracebacks and debuggers show them."""

from __future__ import annotations

import hashlib
import linecache
import sys
import types
from typing import cast

from torch import nn

from ..plan import Plan
from .initialize import initialize
from .names import class_name
from .source import emit_source


def load_class(source: str, name: str) -> type[nn.Module]:
    """The class `name` of the emitted source, in a module of its own that imports find (torch.compile looks it up)."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    filename = f"<loopspec model {name} {digest}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = types.ModuleType(f"loopspec.emitted.{name}_{digest}")
    exec(compile(source, filename, "exec"), module.__dict__)
    sys.modules[module.__name__] = module
    return cast(type[nn.Module], getattr(module, name))


def build_module(plan: Plan, seed: int | None = None) -> nn.Module:
    """The plan's module, its parameters started from `seed` (None: left at zero, for weights that are loaded next)."""
    module = load_class(emit_source(plan), class_name(plan.spec.name))()
    names = {name for name, _ in module.named_parameters()}
    assert names == {store.name for store in plan.stores}, "module and plan name different stores"
    if seed is not None:
        initialize(module, plan, seed)
    return module
