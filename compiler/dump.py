"""Text dump of what passes have found so far, for `--dump-after`. A store is named once and referred to by number."""

from __future__ import annotations

from collections.abc import Iterator

from .graph.model import Graph, Site
from .passes.draft import Draft


def dump_draft(draft: Draft) -> str:
    """Stable text: positions, stores as `@number`, then each mode's sites with ports, slots and attributes."""
    lines = ["positions"]
    lines += [f"  {run.index}: {run.site_prefix} loop {run.loop}" for run in draft.executions]
    if draft.graph is not None:
        lines += ["stores", *_stores(draft, draft.graph)]
        for mode in draft.modes:
            lines += [f"mode {mode}", *_sites(draft, draft.graph, mode)]
    if draft.size is not None:
        size = draft.size
        lines += [f"size {size.predicted_bytes:,} bytes ({size.low_bytes:,} to {size.high_bytes:,})"]
    return "\n".join(lines) + "\n"


def _stores(draft: Draft, graph: Graph) -> Iterator[str]:
    for number, store in enumerate(graph.stores):
        notes = [f"init {store.init.kind}"]
        if store.name in draft.uses:
            notes.append(f"{draft.uses[store.name].sites} sites")
        if store.name in draft.schemes:
            notes.append(str(draft.schemes[store.name]))
        yield f"  @{number} {store.name} {list(store.shape)} {store.dtype} {store.group}, {', '.join(notes)}"


def _sites(draft: Draft, graph: Graph, mode: str) -> Iterator[str]:
    numbers = {store.name: number for number, store in enumerate(graph.stores)}
    order = draft.order.get(mode) or graph.mode_sites(mode)
    for site_id in order:
        site = graph.site(site_id)
        inputs = [f"{target}={port.site}.{port.name}" for target, port in sorted(graph.inputs(site_id, mode).items())]
        slots = [f"{slot}=@{numbers[name]}" for slot, name in graph.bindings(site_id).items()]
        width = f" -> {draft.widths[site_id]}" if site_id in draft.widths else ""
        yield f"  {site_id} = {site.operation}({', '.join(inputs + slots)}){_attributes(site)}{width}"


def _attributes(site: Site) -> str:
    given = [f"{name}={value!r}" for name, value in site.attributes if value not in (None, False)]
    return f" {{{', '.join(given)}}}" if given else ""
