"""Speed and memory on the CPU, as ratios measured within one run, so that they hold on a busy machine and on another.

    python tests/bench/run.py [--quick] [--threads N] [--only GROUP,GROUP] [--compiled] [--json FILE]

Each figure is the median over interleaved repeats after a warm-up, with its quartiles. Nothing here passes or fails by
time; what must hold is that the emitted module and the plain one beside it compute the same loss. `gpu.py` is the
same for CUDA, at published size.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from figures import Row, machine, write_json
from systems import SMALL, SMALL_LENGTH, SPECS
from timing import count_cpu_time, interleave, ratios, seconds_of, user_seconds

FRESH_PROCESSES = 10
NEVER_SLOWER = ">= 1.0"


def main() -> None:
    """Measures and prints one row after the other."""
    arguments = _arguments()
    # Both are read when torch is imported; threads that spin would take the cores from each other.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    if arguments.cpu_time:
        count_cpu_time()
    where = machine()
    clock = "the processor" if arguments.cpu_time else "the wall clock"
    print(f"torch {where['torch']}, Python {where['python']}, seconds by {clock}")
    print(f"{where['processor']}, {where['cores']} cores, {where['threads']} threads, load {where['load'][0]:.1f}")
    print(f"\n{'':44} {'median':>8} {'quartiles':>17}", flush=True)
    groups = arguments.only or [name for name in GROUPS if name != "compiled" or arguments.compiled]
    found: dict[str, list[Row]] = {}
    for group in groups:
        found[group] = []
        for row in GROUPS[group](arguments):
            print(row.text(), flush=True)
            found[group].append(row)
    if arguments.json:
        rows = {group: [row.plain() for row in rows] for group, rows in found.items()}
        write_json(arguments.json, {"machine": where, "cpu_time": arguments.cpu_time, "groups": rows})


def race_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Emitted modules against plain ones, eager."""
    from race import races

    for race in races(4 if arguments.quick else 8, arguments.systems):
        pair = race.eager()
        for mode in race.modes:
            race.check(mode, pair)
            ratio = race.ratio(mode, pair["plain"], pair["emitted"], _repeats(arguments))
            unit = "plain time / emitted time"
            yield Row(f"forward+backward, {race.name}, {mode}", ratio, ".3f", unit, NEVER_SLOWER)


def work_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """What both ask of PyTorch, eager: exact, where times vary."""
    from race import races

    for race in races(4 if arguments.quick else 8, arguments.systems):
        pair = race.eager()
        for mode in race.modes:
            plain, emitted = (race.work(mode, pair[name]) for name in ("plain", "emitted"))
            ratio, note = plain.operations / emitted.operations, f"{emitted.operations:,} operations"
            yield Row(f"operations, {race.name}, {mode}", [ratio], ".3f", "plain / emitted", "", note)
            ratio, note = plain.bytes_written / emitted.bytes_written, f"{emitted.bytes_written / 2**20:,.0f} MiB"
            yield Row(f"bytes computed, {race.name}, {mode}", [ratio], ".3f", "plain / emitted", NEVER_SLOWER, note)


def compiled_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """The same, compiled by inductor without what it kept from earlier runs: minutes for every mode."""
    from race import races

    with tempfile.TemporaryDirectory(prefix="loopspec-bench-") as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        for race in races(4 if arguments.quick else 8, arguments.systems):
            eager, pair = race.eager(), race.compiled()
            for mode in race.modes:
                took = race.check(mode, pair)
                note = "compiled in " + ", ".join(f"{seconds:.0f} s ({name})" for name, seconds in took.items())
                name = f"compiled, {race.name}, {mode}"
                ratio = race.ratio(mode, pair["plain"], pair["emitted"], _repeats(arguments))
                yield Row(name, ratio, ".3f", "plain time / emitted time", NEVER_SLOWER, note)
                gain = race.ratio(mode, eager["emitted"], pair["emitted"], _repeats(arguments))
                yield Row(name, gain, ".3f", "eager time / compiled time, emitted")


def _repeats(arguments: argparse.Namespace) -> int:
    return 5 if arguments.quick else 25


def mode_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Tokens a second and peak memory of a whole step, by mode."""
    import torch
    from peak_memory import measure
    from workload import MicroBatch, Workload

    sequences = 8
    for name in arguments.systems:
        system = SMALL[name]
        plan = system.plan()
        workload = Workload(plan, torch.device("cpu"))
        batch = MicroBatch.random(plan, sequences, SMALL_LENGTH, workload.device)
        steps = {mode: partial(seconds_of, partial(workload.step, batch, mode)) for mode in system.modes}
        for mode, seconds in interleave(steps, 3 if arguments.quick else 15).items():
            cost = plan.modes[mode].cost
            flops = (cost.forward_flops_per_token + cost.backward_flops_per_token) * batch.token_count / 1e9
            speed = [batch.token_count / taken for taken in seconds]
            yield Row(f"step, {name}, {mode}", speed, ",.0f", "tokens/s", "", f"{flops:.1f} GFLOP a step by the plan")
            peak = measure(name, mode, sequences, SMALL_LENGTH)
            predicted = cost.activation_bytes_per_token * batch.token_count
            note = (
                f"{peak.added / 2**20:.0f} MiB above {peak.before / 2**20:.0f}; predicted {predicted / 2**20:.0f} MiB"
            )
            yield Row(f"peak memory, {name}, {mode}", [peak.added / predicted], ".3f", "measured / predicted", "", note)


def share_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Where a step goes."""
    from step_shares import VALIDATION_TOKENS, StepShares

    for name in arguments.systems:
        with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="loopspec-bench-") as checkpoints:
            shares = StepShares(SMALL[name].plan(), Path(checkpoints))
            for what, samples in shares.measure(_repeats(arguments)).items():
                every = shares.plan.spec.train.checkpoint_every
                note = f"one every {every} steps" if what == "checkpoint" else ""
                yield Row(f"{what}, {name}", samples, ".3%", "of a step", SHARE_GOALS.get(what.split(",")[0], ""), note)
            samples = shares.validation(3 if arguments.quick else 5)
            note = f"{VALIDATION_TOKENS:,} tokens; not on the training clock"
            yield Row(f"validation, {name}", samples, ".3f", "time a token / that of a step", "", note)


SHARE_GOALS = {"loader": "< 1%", "checkpoint": "< 2%"}


def validate_rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """`loopspec validate` in a fresh process."""
    validate = [sys.executable, "-m", "loopspec.runtime.cli", "validate", str(SPECS / "quickstart.yaml")]
    empty = [sys.executable, "-c", "pass"]
    contenders = {"validate": partial(user_seconds, validate), "empty": partial(user_seconds, empty)}
    seconds = interleave(contenders, 3 if arguments.quick else FRESH_PROCESSES)
    yield Row("validate quickstart", [1000 * value for value in seconds["validate"]], ".0f", "ms of user CPU")
    yield Row("validate quickstart", ratios(seconds["validate"], seconds["empty"]), ".1f", "times an empty script")


GROUPS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "eager": race_rows,
    "work": work_rows,
    "compiled": compiled_rows,
    "modes": mode_rows,
    "shares": share_rows,
    "validate": validate_rows,
}


def _some_of(known: Iterable[str], text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown name {unknown[0]!r}; known: {', '.join(known)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few repeats and smaller batches")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    parser.add_argument("--only", type=partial(_some_of, GROUPS), metavar="GROUPS", help=f"of {','.join(GROUPS)}")
    known, names = partial(_some_of, SMALL), ",".join(SMALL)
    parser.add_argument(
        "--systems", type=known, default=list(SMALL), metavar="NAMES", help=f"of {names} (default: all)"
    )
    parser.add_argument("--compiled", action="store_true", help="the group `compiled` too, which takes minutes")
    help_text = (
        "count the processor's time instead of the wall clock's; with --threads 1, on a machine that is not idle"
    )
    parser.add_argument("--cpu-time", action="store_true", help=help_text)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="all figures, with the machine, for a program to read"
    )
    help_text = "where the checkpoints go for a moment (default: the system's temporary folder)"
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help=help_text)
    arguments = parser.parse_args()
    if arguments.cpu_time and arguments.threads != 1:
        parser.error("--cpu-time counts the work of all threads together; give --threads 1 with it")
    return arguments


if __name__ == "__main__":
    main()
