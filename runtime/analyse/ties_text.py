"""Proposals of ties for a reader, and as JSON values."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from ...compiler.folding import ranges
from ...compiler.tables import table
from .ties import Tie
from .ties_plan import Proposal, Proposals

WIDTH = 80
_REASON = 160  # characters of a reason that the text shows; JSON has all


def tie_name(tie: Tie) -> str:
    """`blocks trunk.9..13 (positions 9..13)`."""
    return f"blocks {tie.group}.{ranges(tie.blocks)} (positions {ranges(tie.positions)})"


def proposals_text(found: Proposals, wanted: int) -> str:
    """A table of the proposals, then what could not be proposed."""
    rows = [_row(number, proposal) for number, proposal in enumerate(found.proposals, 1)]
    header = ("no.", "blocks", "positions", "one run", "influence", "parameters", "bytes")
    lines = [
        "ties, least influence first (a block's: mean over its positions; a set's: mean",
        "over its blocks), with the parameters and predicted bytes that each saves",
        *(table(header, rows) if rows else ["  none: no two blocks of a group can share"]),
    ]
    if 0 < len(found.proposals) < wanted:
        why = "there are no more" if found.exhausted else "too many others were refused"
        lines.append(f"  {len(found.proposals)} of the {wanted} that were asked for: {why}")
    for tie, reason in found.refused:
        text = f"left out {tie.group}.{ranges(tie.blocks)}: {_short(reason)}"
        lines += wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def proposals_json(found: Proposals) -> dict[str, Any]:
    """`proposals` [{group, blocks, positions, contiguous, influence, parameters_saved, bytes_saved, parameters,
    predicted_bytes}], the last two of the tied spec; `refused` [{group, blocks, reason}]; `exhausted` (bool).
    """
    return {
        "proposals": [_proposal(item) for item in found.proposals],
        "refused": [
            {"group": tie.group, "blocks": list(tie.blocks), "reason": reason} for tie, reason in found.refused
        ],
        "exhausted": found.exhausted,
    }


def _row(number: int, proposal: Proposal) -> tuple[object, ...]:
    tie = proposal.tie
    return (
        number,
        f"{tie.group}.{ranges(tie.blocks)}",
        ranges(tie.positions),
        "yes" if tie.contiguous else "no",
        f"{tie.influence:.4f}",
        proposal.parameters_saved,
        proposal.bytes_saved,
    )


def _proposal(proposal: Proposal) -> dict[str, Any]:
    tie = proposal.tie
    return {
        "group": tie.group,
        "blocks": list(tie.blocks),
        "positions": list(tie.positions),
        "contiguous": tie.contiguous,
        "influence": tie.influence,
        "parameters_saved": proposal.parameters_saved,
        "bytes_saved": proposal.bytes_saved,
        "parameters": proposal.plan.exported_parameters,
        "predicted_bytes": proposal.plan.size.predicted_bytes,
    }


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= _REASON else f"{text[:_REASON]} ..."
