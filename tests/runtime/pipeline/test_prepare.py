"""The validation split by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loopspec.compiler.plan import Plan
from loopspec.runtime.data.errors import DataError
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.pipeline.prepare import prepare_data, prepare_validation


def test_validation_alone_is_that_of_the_whole_data_and_needs_no_training_shards(plan: Plan, tmp_path: Path) -> None:
    data = prepare_data(plan, lambda _: None)
    (tmp_path / "train_0.bin").unlink()
    notes: list[str] = []
    validation = prepare_validation(plan, data.tokenizer, notes.append)
    np.testing.assert_array_equal(validation.tokens, data.validation)
    assert (validation.sha256, validation.bytes) == (data.validation_sha256, data.validation_bytes)
    assert notes == [f"validation data: {tmp_path}/val_*.bin: 60 tokens, {data.validation_bytes} bytes to validate on"]


@pytest.mark.parametrize("tokens", [[335], [335, 1, 2]])
def test_validation_that_cannot_be_scored_is_found_with_the_data(plan: Plan, tmp_path: Path, tokens: list[int]) -> None:
    write_shard(tmp_path / "val_0.bin", np.array(tokens))
    with pytest.raises(DataError, match=r"val_\*\.bin: nothing to score: . tokens.* 0 bytes of text; give validation"):
        prepare_data(plan, lambda _: None)
