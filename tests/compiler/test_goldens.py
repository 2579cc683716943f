"""The emitted modules compute what the reference systems computed, with the originals' weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.golden_outputs import computed_outputs, recorded_outputs
from support.golden_systems import GOLDENS
from support.goldens import GOLDEN, Golden, load, loaded

TOLERANCE = 2e-5


def test_every_recorded_forward_pass_is_here() -> None:
    recorded = {path.stem for path in GOLDEN.glob("*.npz") if "input_ids" in np.load(path).files}
    assert {golden.vectors for golden in GOLDENS} == recorded
    assert len(GOLDENS) == 15


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.vectors)
def test_every_recorded_output_is_matched(golden: Golden) -> None:
    computed = computed_outputs(loaded(golden))
    assert computed.keys() == recorded_outputs(golden)
    for name, value in computed.items():
        recorded = golden.arrays[name]
        assert tuple(value.shape) == recorded.shape, name
        exact = np.issubdtype(recorded.dtype, np.integer)
        np.testing.assert_allclose(value.numpy(), recorded, rtol=0, atol=0 if exact else TOLERANCE, err_msg=name)


@pytest.mark.parametrize(
    "golden", [golden for golden in GOLDENS if len(golden.runs) > 1], ids=lambda golden: golden.vectors
)
def test_modes_differ(golden: Golden) -> None:
    """Else a mode that selects nothing would pass."""
    logits = [loaded(golden).interpret(run.mode).logits for run in golden.runs]
    assert all((a - b).abs().max() > 1e-3 for i, a in enumerate(logits) for b in logits[:i])


def test_extra_cycles_end_where_the_stream_settles() -> None:
    """The recorded changes grow from 0.51 to 0.80 in the second cycle, so a limit between them ends after the first."""
    golden = next(golden for golden in GOLDENS if "deq_deltas" in golden.arrays)
    extra = "modes.fixed_point.trunk.extra"
    stopped = load(replace(golden, sets=(f"{extra}.stop_below=0.6",)))
    once = load(replace(golden, sets=(f"{extra}.times=1",)))
    with torch.no_grad():
        logits = [system.module(system.batch[0], mode="fixed_point") for system in (stopped, once)]
    assert torch.equal(*logits)
    for system in (stopped, once):
        changes = [change.item() for change in system.module.changes]  # type: ignore[union-attr]
        np.testing.assert_allclose(changes, golden.arrays["deq_deltas"][:1], rtol=0, atol=TOLERANCE)
    assert torch.equal(stopped.interpret("fixed_point").logits, logits[0])
