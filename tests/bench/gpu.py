"""Training speed and memory on a CUDA device at published size, by mode, eager and compiled, on random tokens.

    python tests/bench/gpu.py [--json FILE] [--systems NAME,NAME] [--repeats N] [--sequences N] [--eager-only]
    python tests/bench/gpu.py --tiny          # the same code on models 32 wide, on a CPU too; its figures mean nothing

A micro-batch is the spec's own; where it does not fit, half as many sequences, and so on. Weights stay float32, and
products are in the spec's precision, as in training. `ms a step` is one device that takes all the tokens of the spec's
batch, one micro-batch after the other. Utilisation counts the plan's FLOPs, forward and backward.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from device_peaks import peak_flops
from figures import machine, table, write_json
from gpu_case import Case, attention_operation, measure
from systems import PUBLISHED, TINY, System
from workload import Workload

from loopspec.runtime.pipeline.device import choose_device

HEADER = ("system, mode", "", "sequences", "tokens/s", "ms/micro", "ms/update", "ms/step", "util", "MiB", "predicted")


def main() -> None:
    """Measures every system, prints a table and writes the JSON."""
    arguments = _arguments()
    if not torch.cuda.is_available() and not arguments.tiny:
        sys.exit("torch finds no CUDA device; `make bench` measures on the CPU, and --tiny tries this script there")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = _peak(arguments, device)
    known = TINY if arguments.tiny else PUBLISHED
    cases = []
    for name in arguments.systems or known:
        for case in _cases(known[name], arguments, device, peak):
            cases.append(case)
            print(f"  {_line(case)}", flush=True)
    print(f"\n{table(HEADER, [_cells(case) for case in cases])}")
    if arguments.json:
        where = machine() | {"device": _describe(device), "peak_flops": peak, "tiny": arguments.tiny}
        write_json(arguments.json, {"machine": where, "cases": [case.plain() for case in cases]})


def _cases(system: System, arguments: argparse.Namespace, device: torch.device, peak: float | None) -> Iterator[Case]:
    plan = system.plan()
    choose_device(device.type, plan.spec, print)
    workload = Workload(plan, device)
    shape = plan.spec.train.shapes[-1]
    attention = attention_operation(workload, system.modes[0], shape.sequence_length)
    print(f"{system.spec}: {plan.parameters:,} parameters, attention by {attention}", flush=True)
    for mode in system.modes:
        for backend in (None, *(() if arguments.eager_only else (arguments.backend,))):
            sequences = arguments.sequences or shape.sequences
            case = measure(workload, mode, backend, sequences, arguments.repeats)
            yield replace(case, attention=attention, peak_flops=peak)
    torch.compiler.reset()  # the next system gets its own limits on compiled graphs


def _line(case: Case) -> str:
    compiled = "" if case.first_seconds is None else f", first call {case.first_seconds:.1f} s"
    return f"{case.mode}, {case.kind}: {case.tokens_per_second:,.0f} tokens/s{compiled}"


def _cells(case: Case) -> tuple[str, ...]:
    """A line of the table; what a CPU cannot tell is a dash."""
    utilisation, memory = case.utilisation, case.activation_bytes
    return (
        f"{case.system}, {case.mode}",
        case.kind,
        str(case.sequences),
        f"{case.tokens_per_second:,.0f}",
        f"{1e3 * case.micro_batch_seconds:,.1f}",
        f"{1e3 * case.update_seconds:,.1f}",
        f"{1e3 * case.step_seconds:,.1f}",
        "-" if utilisation is None else f"{utilisation:.1%}",
        "-" if memory is None else f"{memory / 2**20:,.0f}",
        f"{case.predicted_activation_bytes / 2**20:,.0f}",
    )


def _peak(arguments: argparse.Namespace, device: torch.device) -> float | None:
    if arguments.peak_tflops:
        return 1e12 * float(arguments.peak_tflops)
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    peak = peak_flops(name)
    if peak is None:
        print(f"no peak rate is known for {name}; give --peak-tflops for the utilisation")
    return peak


def _describe(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"kind": device.type}
    properties = torch.cuda.get_device_properties(device)
    return {
        "kind": "cuda",
        "name": properties.name,
        "memory_bytes": properties.total_memory,
        "capability": [properties.major, properties.minor],
        "cuda": torch.version.cuda,
    }


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown system {unknown[0]!r}; known: {', '.join(PUBLISHED)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="models 32 wide, for a try on any machine")
    parser.add_argument("--systems", type=_names, metavar="NAMES", help=f"of {','.join(PUBLISHED)} (default: all)")
    parser.add_argument("--sequences", type=int, metavar="N", help="of a micro-batch (default: the spec's)")
    parser.add_argument("--repeats", type=int, help="timed micro-batches, each with an update (default: 10; tiny: 2)")
    parser.add_argument("--eager-only", action="store_true", help="compile nothing")
    parser.add_argument("--backend", metavar="NAME", help="of torch.compile (default: inductor; tiny: eager)")
    help_text = "the device's dense peak in the spec's precision (default: from the table in device_peaks.py)"
    parser.add_argument("--peak-tflops", type=float, metavar="TFLOPS", help=help_text)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="all figures, with the machine, for a program to read"
    )
    arguments = parser.parse_args()
    arguments.backend = arguments.backend or ("eager" if arguments.tiny else "inductor")
    arguments.repeats = arguments.repeats or (2 if arguments.tiny else 10)
    return arguments


if __name__ == "__main__":
    main()
