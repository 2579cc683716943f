"""Parts of a block, shared by all executions of the block or private to some."""

from __future__ import annotations

from .executions import Execution, Table

PARTS = {
    "attention": "attention",
    "attention_scale": "attention_scale",
    "gain": "attention.gain",
    "mlp": "mlp",
    "mlp_scale": "mlp_scale",
    "recurrence_gate": "recurrence_gate",
    "residual_mix": "residual_mix",
    "token_gate": "token_gate",
    "value_scale": "value_scale",
}
"""A part's name in `private`, and its path below the block."""


def is_private(run: Execution, part: str) -> bool:
    """Whether the execution has its own copy of the part."""
    private = run.stage.private.get(part)
    return private is not None and run.number is not None and private.at.holds(run.step, run.loop)


def part_path(run: Execution, part: str) -> str:
    """Public path of the part that an execution uses: its own below the stage, or the block's."""
    if is_private(run, part):
        return f"stages.{run.stage.name}.{part}.{run.number}"
    return f"blocks.{run.block_name}.{PARTS[part]}"


def unused_parts(table: Table) -> set[str]:
    """Paths of block parts that every execution of their block replaces by its own, in every mode.

    They are not stored, unless `keep_shared` says so.
    """
    replaced: dict[str, bool] = {}
    for run in table.executions:
        for part, path in PARTS.items():
            private = run.stage.private.get(part)
            unneeded = is_private(run, part) and private is not None and not private.keep_shared
            if part == "gain":
                unneeded = unneeded or is_private(run, "attention")  # which brings its own
            shared = f"blocks.{run.block_name}.{path}"
            replaced[shared] = replaced.get(shared, True) and unneeded
    return {path for path, everywhere in replaced.items() if everywhere}
