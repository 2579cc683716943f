"""The validation split by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loopspec.compiler import load_plan
from loopspec.compiler.plan import Plan
from loopspec.runtime.data.errors import DataError
from loopspec.runtime.data.shards import write_shard
from loopspec.runtime.pipeline.prepare import prepare_data, prepare_validation, spec_tokenizer, training_text


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


@pytest.mark.parametrize(("vocab_size", "opened"), [(256, 0), (257, 1)])
def test_text_as_bytes_needs_no_tokenizer_and_scores_its_exact_bytes(
    spec: Path, tmp_path: Path, vocab_size: int, opened: int
) -> None:
    (tmp_path / "book.txt").write_text("".join(f"Paragraph {number}.\n\n" for number in range(40)))
    changes = [
        f"data.source={{kind: text, path: {tmp_path}/book.txt, validation_bytes: 100}}",
        "data.tokenizer={kind: bytes}",
        f"model.vocab_size={vocab_size}",
    ]
    changed = load_plan(spec, changes)
    notes: list[str] = []
    data = prepare_data(changed, notes.append)
    assert data.validation_text is not None and data.validation_text.startswith(b"Paragraph ")
    assert data.validation_bytes == len(data.validation_text) == data.byte_table.total(data.validation)
    assert len(data.validation) == data.validation_bytes + 1 and (data.bos_id is not None) == opened
    text = training_text(changed)
    assert text is not None and len(data.train) == len(text) + 1
    assert prepare_validation(changed, spec_tokenizer(changed, notes.append), notes.append).sha256 == (
        data.validation_sha256
    )
    assert notes[0].startswith(f"text {tmp_path}/book.txt")
    assert not changed.spec.data.tokenizer.embed


def test_only_so_many_shards_are_trained_on(spec: Path, tmp_path: Path) -> None:
    write_shard(tmp_path / "train_1.bin", np.array([3]))
    notes: list[str] = []
    data = prepare_data(load_plan(spec, ["data.source.limit=1"]), notes.append)
    whole = prepare_data(load_plan(spec), notes.append)
    assert len(whole.train) == len(data.train) + 1
    assert notes[0] == "training on the first 1 of 2 shards (data.source.limit 1)"
