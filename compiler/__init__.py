"""loopspec's compiler: from a YAML spec to a validated plan, a module's source and a dedup map.

Importing this package imports no torch; `loopspec.compiler.emit.loader` and `loopspec.compiler.modules` do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import Checked, SpecError, check_spec, load_plan, plan_resolved
    from .plan import Plan
    from .spec import Spec

__all__ = ["Checked", "Plan", "Spec", "SpecError", "check_spec", "load_plan", "plan_resolved"]

# on first use, so that reading an artifact or a diagnostic does not load the graph library
_MODULES = {"Plan": ".plan", "Spec": ".spec"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, ".check"), __name__), name)
