"""The sources of a script that stands alone, by dotted module name, and their bytes in every form. Imports no torch.

A script is `main`, which binds the emitted `model` to `loopspec.runtime.standalone.main`, and the part of loopspec that
those two reach (see `reachable`). A codec or tokenizer that an artifact may name is reached, though it is imported in
a function: the script reads every artifact of its spec, whatever packed it. No training, calibration or command is.
"""

from __future__ import annotations

from pprint import pformat

from ...compiler.emit.names import class_name
from ...compiler.emit.source import emit_source
from ...compiler.plan import Plan
from ...compiler.size.code import CodeBytes, code_bytes
from .identity import identity
from .kept_text import kept_text
from .module_text import PACKAGE
from .reachable import Reachable
from .statements import parse_source

MAIN, MODEL = "main", "model"

_MAIN = '''\
"""Scores an artifact of the spec {spec!r}: python SCRIPT ARTIFACT --shard FILE.bin ...

Written by loopspec export.
"""

import sys

from loopspec.runtime.standalone.main import main

from model import {name}

MADE_OF = {made_of}

if __name__ == "__main__":
    sys.exit(main({name}, MADE_OF, sys.argv[1:]))
'''


def script_sources(plan: Plan) -> dict[str, str]:
    """Sources by name ("model", "package.__init__"), `MAIN` first; equal plans give equal text."""
    sources = {MAIN: _main(plan), MODEL: emit_source(plan)}
    reached = Reachable()
    for name, text in sources.items():
        reached.follow(parse_source(name, text))
    for name, kept in sorted(reached.modules.items()):
        if name not in sources:
            package = kept.source.package or name == PACKAGE
            sources[f"{name}.__init__" if package else name] = kept_text(kept)
    return sources


def script_bytes(plan: Plan) -> CodeBytes:
    """What the script of a plan takes."""
    return code_bytes(script_sources(plan), MAIN)


def _main(plan: Plan) -> str:
    stores = [(store.name, store.shape) for store in plan.exported_stores]
    states = [(state.name, state.shape) for state in plan.exported_states]
    made_of = identity(plan.spec.plain, stores + states)
    return _MAIN.format(
        spec=plan.spec.name, name=class_name(plan.spec.name), made_of=pformat(made_of, sort_dicts=False)
    )
