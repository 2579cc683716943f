"""LS125: two lanes, of which each position from `lanes.start` on reads and writes both."""

from __future__ import annotations

from .findings import Findings, YamlPath
from .places import StageView


def check_lanes(findings: Findings, view: StageView) -> None:
    """The lanes begin on the path, after what is not made for two streams, and end with it."""
    lanes = view.plain["lanes"]
    if lanes is None:
        return
    path, start, length = (*view.path, "lanes", "start"), lanes["start"], len(view.steps)
    if start >= length:
        message = f"lanes begin at position {start}, which the path does not have"
        findings.error("LS125", path, message, f"positions are 0..{length - 1}")
        return
    _check_halves(findings, view, path, start)
    for step in range(start, length):
        residual = view.block(step).plain["residual"]
        kind = residual["arrangement"]["kind"]
        gated = " with a token gate" if residual["token_gate"] else ""
        if kind != "sequential" or gated:
            message = f"position {step} has lanes, and its block {view.steps[step]} is a {kind} one{gated}"
            hint = "lanes need arrangement: {kind: sequential} and token_gate: false"
            findings.error("LS125", path, message, hint)
            break
    for key in (("position_vector",), *((what, name) for what in ("drop", "refire") for name in ("attention", "mlp"))):
        inside = [step for step, _ in sorted(view.spots(*key)) if step >= start]
        if inside:
            message = f"position {inside[0]} has lanes, where {key[0]} has no one stream to act on"
            hint = f"list positions before {start}, or begin the lanes later"
            related = findings.related(path, "the lanes begin here")
            findings.error("LS125", view.place_path(*key), message, hint, related=related)


def _check_halves(findings: Findings, view: StageView, path: YamlPath, start: int) -> None:
    skips, half = view.plain["skips"], len(view.steps) // 2
    if skips is None:
        return
    related = findings.related((*view.path, "skips"), "the skips")
    if skips["scope"] == "path" and view.loops > 1:
        message = "lanes in a stage whose skips go over all its loops: a skip would start from one of two lanes"
        findings.error("LS125", path, message, "use skips: {kind: unet, scope: pass}, or one loop", related=related)
    elif start < half:
        message = (
            f"lanes begin at position {start}, in the first half of the skips: they would start from one of two lanes"
        )
        findings.error("LS125", path, message, f"begin at position {half} or later", related=related)
