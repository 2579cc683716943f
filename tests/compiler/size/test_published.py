from __future__ import annotations

from dataclasses import replace

import pytest

from loopspec.compiler.size.published import (
    ANY,
    PARTLY,
    Clips,
    Groups,
    PublishedRun,
    base_bytes,
    cells,
    closed_form_bytes,
    policy_class,
)
from loopspec.compiler.size.published_table import predict_published, published_table

RECORD = PublishedRun(  # records/track_10min_16mb/2026-04-05, PR 1394, by its declaration
    parameters=35_943_512,
    steps=4843,
    policy="sdclip m6e8",
    codec="brotli",
    matrix_bits=6,
    embedding_bits=8,
    clips=Clips(matrix=12.85, embedding=20.0),
    groups=Groups(4_194_304, 8_650_752, 23_068_672, 29_784, 8192 + 11 * (2 * 512 + 2 * 256 + 2048 + 512)),
)


def test_the_closed_form_of_the_k_sigma_record():
    """Its three seeds took 15.97 MB to 15.98 MB."""
    prediction = predict_published(RECORD, published_table())
    assert prediction.policy_class == "k-sigma embedding int8, brotli"
    assert prediction.low < prediction.predicted < prediction.high < 1.01 * prediction.predicted
    assert prediction.predicted == pytest.approx(15_975_000, rel=0.002)


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": None},
        {"codec": "zstd"},
        {"clips": Clips(12.85, 13.0, None, 20.0)},
        {"clips": Clips(12.85, 0.0, 0.0, 20.0)},
        {"clips": Clips()},
        {"matrix_bits": None},
        {"groups": replace(RECORD.groups, other=500_000)},
    ],
)
def test_what_is_not_wholly_declared_has_a_wide_interval(changes):
    run = replace(RECORD, **changes)
    prediction = predict_published(run, published_table())
    assert prediction.policy_class == prediction.cell == PARTLY
    assert prediction.high > 1.2 * prediction.predicted
    assert base_bytes(run) == closed_form_bytes(run) > 1e7


def test_assumed_shapes_come_close():
    assert closed_form_bytes(replace(RECORD, groups=None)) == pytest.approx(closed_form_bytes(RECORD), rel=0.003)


def test_other_policies_are_bits_a_parameter_of_their_length():
    run = replace(RECORD, policy="int8", codec="zlib", steps=9000)
    assert policy_class(run) == "int8, zlib"
    assert cells(run) == ("int8, zlib, 6,000 steps and more", "any policy, 6,000 steps and more", ANY)
    long, short = (predict_published(replace(run, steps=steps), published_table()) for steps in (9000, 100))
    assert short.predicted < 0.7 * long.predicted
    assert long.high / long.low > 1.5


def test_every_run_has_a_cell():
    unknown = PublishedRun(1_000_000, 0, "never seen", "")
    assert policy_class(unknown) == "never seen, unknown codec"
    assert predict_published(unknown, published_table()).cell.startswith(ANY)
    assert {ANY, PARTLY, "k-sigma, brotli", "k-sigma, per-group zpaq"} <= published_table().keys()
    with pytest.raises(KeyError, match="fit it on more runs"):
        predict_published(unknown, {})
