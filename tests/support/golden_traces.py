"""Recorded outputs of single modules, in call order, and our value of each.

A recorded module is mapped to a site; where our graph has no such value it is made from those next to it:

- `branch of SITE`: what the site adds to the stream (the recorded n-gram branch; ours comes with the stream added).
- `gate K of STAGE`: the gate's numbers before the sigmoid in the K-th blend. Ours are within the blend, so the blend
  that the recorded numbers give must be the site's, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from loopspec.compiler.emit.interpret import Interpretation
from loopspec.compiler.graph.model import Port

from .goldens import Golden, Loaded, Run

GATES = ("blend", "blend_reference", "blend_average")


@dataclass(frozen=True)
class Step:
    """One recorded call of a module, and what of ours it must equal: a site, or a value next to one."""

    recorded: str
    module: str
    call: int
    ours: str


def recorded_steps(golden: Golden, run: Run) -> Iterator[Step]:
    """The recorded trace of a run, in call order; none where it has none."""
    prefix = f"trace.{run.trace}."
    calls: Counter[str] = Counter()
    for name in sorted(name for name in golden.arrays if name.startswith(prefix)):
        number, _, module = name.removeprefix(prefix).partition(".")
        assert int(number) == calls.total(), f"{name} is not the next call"
        yield Step(name, module, calls[module], _ours(golden, module, calls[module]))
        calls[module] += 1


def _ours(golden: Golden, module: str, call: int) -> str:
    fitting = [(pattern, site) for pattern, site in golden.trace if re.fullmatch(pattern, module)]
    assert len(fitting) == 1, f"{module} is mapped {len(fitting)} times"
    pattern, site = fitting[0]
    return re.sub(pattern, site, module).format(call=call)


def value_of(step: Step, loaded: Loaded, run: Interpretation) -> Tensor:
    """Our value of a recorded step."""
    words = step.ours.split()
    if words[0] == "branch":
        return _branch(words[-1], run)
    if words[0] == "gate":
        return _gate(step, words[-1], loaded, run)
    value: Tensor = run.values[Port(step.ours)]
    return value


def _branch(site: str, run: Interpretation) -> Tensor:
    stream: Tensor = run.values[run.graph.inputs(site, run.mode)["x"]]
    sum_of_both: Tensor = run.values[Port(site)]
    return sum_of_both - stream


def _gate(step: Step, stage: str, loaded: Loaded, run: Interpretation) -> Tensor:
    """The gate's numbers, from the inputs of the blend."""
    gate = loaded.weights[f"stages.{stage}.gate"]
    sites = [f"{stage}/combine/{role}" for role in GATES if Port(f"{stage}/combine/{role}") in run.values]
    if not sites:  # Run 3 calls the gate on its one firing twice, and multiplies by zero
        only = run.values[Port(f"{stage}/crawler.1#0/mlp_add")]
        return F.linear(torch.cat((only, only), dim=-1), gate)
    site = sites[step.call]
    inputs = {port: run.values[source] for port, source in run.graph.inputs(site, run.mode).items()}
    a = inputs["a"]
    b = inputs["b"] if "b" in inputs else loaded.weights[f"stages.{stage}.reference"].expand_as(a)
    numbers = F.linear(torch.cat((a, b), dim=-1), gate)
    share = torch.sigmoid(torch.from_numpy(loaded.golden.arrays[step.recorded]))
    torch.testing.assert_close(run.values[Port(site)], share * a + (1 - share) * b, rtol=0, atol=2e-5)
    return numbers
