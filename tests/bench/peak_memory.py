"""Peak memory of one training step on the CPU, in a fresh process, so that the peak is its own. Needs Linux.

The process first takes a step of 16 tokens, after which weights, gradients and optimizer states are there; what the
step that is measured needs above that is what the plan predicts as activations, and whatever operations take for a
moment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WARM_UP_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes: of the process before the step, and at most within it."""

    before: int
    highest: int

    @property
    def added(self) -> int:
        """What the step needed above what was there."""
        return self.highest - self.before


def measure(system: str, mode: str, sequences: int, length: int) -> Peak:
    """The peak of one step of a system of `systems.SMALL`, in a process of its own."""
    command = [sys.executable, __file__, system, mode, str(sequences), str(length)]
    # Freed tensors go back to the system at once, so that the peak holds what is in use and no more.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return Peak(**json.loads(process.stdout))


def _status_bytes(key: str) -> int:
    """A size from /proc; its peak is this program's own, where getrusage remembers that of the process it came from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def main(system: str, mode: str, sequences: str, length: str) -> None:
    """The process that is measured."""
    import torch
    from systems import SMALL
    from workload import MicroBatch, Workload

    device = torch.device("cpu")
    plan = SMALL[system].plan()
    workload = Workload(plan, device)
    workload.step(MicroBatch.random(plan, 1, WARM_UP_TOKENS, device), mode)
    batch = MicroBatch.random(plan, int(sequences), int(length), device)
    before = _status_bytes("VmRSS")
    workload.step(batch, mode)
    highest = _status_bytes("VmHWM")
    print(json.dumps({"before": before, "highest": highest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
