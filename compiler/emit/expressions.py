"""The emitted expression of each operation. A new operation needs an entry here, in OPERATIONS and in the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..constants import FLOAT32_EPS
from ..graph.model import Site
from .names import stored_expression


@dataclass(frozen=True, slots=True)
class Call:
    """A site with its inputs (variables by port) and stores (names by slot)."""

    site: Site
    inputs: Mapping[str, str]
    stores: Mapping[str, str]

    @property
    def module(self) -> str:
        """Expression of the sublayer that the site calls."""
        assert self.site.module is not None
        return stored_expression(self.site.module)

    def store(self, slot: str) -> str:
        """Expression of the store bound to a slot."""
        return stored_expression(self.stores[slot])


def expression(call: Call) -> str:
    """Python source of a site's value."""
    return EXPRESSIONS[call.site.operation](call)


def _rms_norm(call: Call) -> str:
    scale, eps = call.site.attribute("scale"), call.site.attribute("eps")
    arguments = [call.inputs["x"]]
    arguments += [] if scale == 1.0 else [f"scale={scale!r}"]
    arguments += [] if eps == FLOAT32_EPS else [f"eps={eps!r}"]
    return f"rms_norm({', '.join(arguments)})"


def _rotary_table(call: Call) -> str:
    dims, base, reference = (call.site.attribute(name) for name in ("dims", "base", "ntk_reference"))
    ntk = "" if reference is None else f", ntk_reference={reference}"
    return f"rotary_table({call.inputs['tokens']}, dims={dims}, base={base!r}{ntk})"


def _attention(call: Call) -> str:
    arguments = [call.inputs["x"]]
    arguments += [f"rotary={call.inputs['rotary']}"] if "rotary" in call.inputs else []
    arguments += [f"values={call.inputs['values']}"] if "values" in call.inputs else []
    arguments += ["exclusive=True"] if call.site.attribute("xsa") else []
    return f"{call.module}({', '.join(arguments)})"


def _residual_add(call: Call) -> str:
    branch = call.inputs["branch"]
    scaled = f"{call.store('scale')} * {branch}" if "scale" in call.stores else branch
    return f"{call.inputs['x']} + {scaled}"


def _head(call: Call) -> str:
    softcap = call.site.attribute("softcap")
    cap = "" if softcap is None else f", softcap={softcap!r}"
    return f"project_logits({call.inputs['x']}, {call.store('weight')}{cap})"


EXPRESSIONS: dict[str, Callable[[Call], str]] = {
    "embedding": lambda call: f"{call.module}({call.inputs['tokens']})",
    "ngram_hash": lambda call: f"{call.module}({call.inputs['x']}, {call.inputs['tokens']})",
    "smear_gate": lambda call: f"{call.module}({call.inputs['x']})",
    "rotary_table": _rotary_table,
    "value_embedding": lambda call: f"{call.module}({call.inputs['tokens']})",
    "rms_norm": _rms_norm,
    "add_vector": lambda call: f"{call.inputs['x']} + {call.store('vector')}",
    "add_skip": lambda call: f"{call.inputs['x']} + {call.store('weight')} * {call.inputs['skip']}",
    "residual_mix": lambda call: f"residual_mix({call.inputs['x']}, {call.inputs['x0']}, {call.store('mix')})",
    "scale_values": lambda call: f"{call.inputs['values']} * {call.store('scale')}",
    "attention": _attention,
    "mlp": lambda call: f"{call.module}({call.inputs['x']})",
    "residual_add": _residual_add,
    "head": _head,
    "cross_entropy": lambda call: f"cross_entropy({call.inputs['logits']}, {call.inputs['targets']})",
}
