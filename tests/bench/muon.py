"""Muon against torch.optim.Muon on the CPU: how many times as long a step of torch's takes.

    python tests/bench/muon.py [--threads N] [--repeats N]

On the matrices of specs/quickstart.yaml, and on those of six untied blocks 256 wide with an MLP of three times that.
torch's iterates in bfloat16; the last column is ours told to do so too.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timing import Spread, interleave, ratios, seconds_of

if TYPE_CHECKING:
    from torch import nn

SPEC = Path(__file__).parents[2] / "specs" / "quickstart.yaml"
SIX_BLOCKS = 6 * [(256, 256), (128, 256), (128, 256), (256, 256), (768, 256), (256, 768)]
SETTINGS: dict[str, Any] = {"lr": 1e-3, "momentum": 0.95, "weight_decay": 0.04}


def main() -> None:
    """Measures both sets and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    import torch

    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, threads {arguments.threads}, load {os.getloadavg()[0]:.1f}")
    for name, shapes in (("quickstart", quickstart_shapes()), ("six blocks of 256", SIX_BLOCKS)):
        print(f"{name}: {len(shapes)} matrices, {sum(rows * cols for rows, cols in shapes):,} elements")
        for line in measured(shapes, arguments.repeats):
            print(f"  {line}")


def quickstart_shapes() -> list[tuple[int, int]]:
    """The shapes of the quickstart's group `matrices`."""
    from loopspec.compiler import load_plan

    stores = [store for store in load_plan(SPEC).stores if store.group == "matrices"]
    return [(store.shape[0], store.shape[1]) for store in stores]


def measured(shapes: list[tuple[int, int]], repeats: int) -> list[str]:
    """A step's time of ours, and the ratios of the others to it."""
    import torch

    from loopspec.runtime.optim.muon import Muon, MuonOptions

    steps = {
        "ours": Muon(parameters(shapes), MuonOptions(), **SETTINGS).step,
        "torch.optim.Muon": torch.optim.Muon(parameters(shapes), **SETTINGS).step,
        "ours in bfloat16": Muon(parameters(shapes), MuonOptions(dtype=torch.bfloat16), **SETTINGS).step,
    }
    samples = interleave({name: partial(seconds_of, step) for name, step in steps.items()}, repeats)
    lines = [f"ours: {1000 * Spread.of(samples['ours']).median:.1f} ms a step"]
    for name in ("torch.optim.Muon", "ours in bfloat16"):
        spread = Spread.of(ratios(samples[name], samples["ours"]))
        lines.append(f"{name}: {spread.median:.2f} times as long ({spread.low:.2f} to {spread.high:.2f})")
    return lines


def parameters(shapes: list[tuple[int, int]]) -> list[nn.Parameter]:
    """Matrices with gradients."""
    import torch

    generator = torch.Generator().manual_seed(0)
    made = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    for parameter in made:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return made


if __name__ == "__main__":
    main()
