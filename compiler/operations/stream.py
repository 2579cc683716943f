"""Operations on the stream between sublayers: norms, mixes, branches, skips, lanes, gates."""

from __future__ import annotations

from ..constants import FLOAT32_EPS
from .operation import ALWAYS, Operation, SiteContext, keeps_input, keeps_output, matrices, nothing


def _bounded(context: SiteContext) -> int:
    return context.inputs["x"] if context.slots["gate"] == (4,) else 0


def _lane(context: SiteContext) -> int:
    return context.inputs["lane"] if context.slots["post"] == (2,) else 0


def _bottleneck(context: SiteContext) -> int:
    down, up = context.slots["down"], context.slots["up"]
    return context.inputs["x"] if down == (up[1], up[0]) and up[0] == context.inputs["x"] else 0


STREAM_OPERATIONS: dict[str, Operation] = {
    "rms_norm": Operation(("x",), "h", call="rms_norm", constants={"scale": 1.0, "eps": FLOAT32_EPS}, kept=keeps_input),
    "add_vector": Operation(("x",), "x", call="{x} + {vector}", slots=("vector",)),
    "add_skip": Operation(("x", "skip"), "x", call="{x} + {weight} * {skip}", slots=("weight",), kept=keeps_input),
    "gated_skip": Operation(
        ("x", "skip"),
        "x",
        call="gated_skip",
        slots=("weight", "gate"),
        flops=lambda context: 6 * context.width,
        kept=lambda context: 3 * context.width,
    ),
    "residual_mix": Operation(("x", "x0"), "x", call="residual_mix", slots=("mix",), kept=keeps_input),
    "residual_sum": Operation(("x", "branch"), "x", call="{x} + {branch}"),
    "residual_add": Operation(
        ("x", "branch"), "x", call="{x} + {scale} * {branch}", slots=("scale",), kept=keeps_output
    ),
    "scale_branch": Operation(("branch",), "h", call="{scale} * {branch}", slots=("scale",), kept=keeps_output),
    "write_lane": Operation(
        ("lane", "attention", "mlp"),
        "lane",
        call="write_lane",
        slots=("residual", "post"),
        width=_lane,
        flops=lambda context: 6 * context.width,
        kept=lambda context: 3 * context.width,
    ),
    "merge_lanes": Operation(("attention", "mlp"), "x", call="0.5 * ({attention} + {mlp})"),
    "bounded_update": Operation(
        ("x", "x0", "attention", "mlp"),
        "x",
        call="bounded_update",
        slots=("gate",),
        constants={"tau": ALWAYS},
        width=_bounded,
        flops=lambda context: 8 * context.width,
        kept=lambda context: 4 * context.width,
    ),
    "token_gate": Operation(
        ("start", "end"),
        "x",
        call="token_gate",
        slots=("weight", "bias"),
        flops=lambda context: 5 * context.width,
        kept=lambda context: 2 * context.width,
    ),
    "bottleneck": Operation(
        ("x",),
        "x",
        call="bottleneck",
        slots=("down", "up"),
        constants={"eps": FLOAT32_EPS},
        width=_bottleneck,
        flops=matrices,
        kept=lambda context: 2 * context.width + context.slots["down"][0],
    ),
    "detach": Operation(("x",), "x", call="{x}.detach()", flops=nothing),
    "keep": Operation(("x",), "before", call="{x}", flops=nothing),
    "settle": Operation(("x",), "x", call="{x}", flops=nothing),
    "relative_change": Operation(
        ("x", "before"), "change", call="relative_change", width=keeps_input, flops=lambda context: 4 * context.width
    ),
    "record_trace": Operation(("before", "x"), "x", call=".record", writes=("trace",)),
    "add_trace": Operation(
        ("x",), "x", call=".add_trace", slots=("inject", "decay"), states=("trace",), writes=("trace",)
    ),
}
