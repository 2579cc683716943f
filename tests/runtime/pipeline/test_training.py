"""Batches in the order that the spec asks for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from loopspec.compiler import load_plan
from loopspec.runtime.data.batches import ContiguousBatches
from loopspec.runtime.data.shuffled_batches import ShuffledBatches
from loopspec.runtime.data.token_stream import TokenStream
from loopspec.runtime.pipeline.training import _batches

SPEC = Path(__file__).parents[3] / "specs" / "quickstart.yaml"


@pytest.mark.parametrize(("order", "kind"), [("contiguous", ContiguousBatches), ("shuffled", ShuffledBatches)])
def test_order_of_the_spec(order: str, kind: type) -> None:
    sets = ["train.accumulation=2", "train.seed=7", f"data.order={order}"]
    stream = TokenStream([np.arange(20_000, dtype=np.uint16)])
    batches = _batches(load_plan(SPEC, sets), cast("Any", SimpleNamespace(train=stream)))
    assert type(batches) is kind
    inputs, targets = batches.next()
    assert inputs.shape == (4, 256)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert batches.state().get("seed", 7) == 7
    assert np.array_equal(np.diff(inputs[:, 0]), [256] * 3) == (kind is ContiguousBatches)
