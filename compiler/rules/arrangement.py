"""LS509: settings of a block that its arrangement has no use for."""

from __future__ import annotations

from .findings import Findings, YamlPath
from .variants import Variant

KIND: YamlPath = ("residual", "arrangement")


def check_arrangement(findings: Findings, block: Variant) -> None:
    """A bounded block weighs stream, x0 and branches by its own four numbers, and by nothing else."""
    residual = block.plain["residual"]
    if residual["arrangement"]["kind"] != "bounded":
        return
    for feature in ("x0_mix", "branch_scale", "token_gate"):
        if residual[feature]:
            place = block.place(("residual", feature), KIND)
            given = findings.given(place)
            findings.error_once(
                "LS509",
                place if given else block.place(KIND),
                f"{feature} has no effect on a bounded block: its gate alone weighs stream, x0 and branches",
                f"set residual.{feature}: false, or use another arrangement",
                key=given,
            )
