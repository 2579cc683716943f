"""Packed documents that are kept apart: a row of several computes what each of them computes alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.oracle import Oracle
from support.small_specs import group, plan_of, small
from torch import Tensor, nn

from loopspec.compiler.emit.loader import build_module
from loopspec.compiler.graph.model import Port
from loopspec.compiler.modules.attention_kernel import best_kernel
from loopspec.compiler.plan import Plan

BOUNDARY = 1
LENGTHS = (3, 1, 5, 2, 4)
INPUT = [
    {"kind": "ngram_hash", "order": 3, "buckets": 7, "dim": 4, "table_init": {"kind": "normal", "std": 1.0}},
    {"kind": "ngram_hash", "order": 2, "buckets": 7, "dim": 16, "table_init": {"kind": "normal", "std": 1.0}},
    {"kind": "rms_norm"},
    {"kind": "smear_gate"},
]


def planned(documents: dict[str, Any] | None, **stage: Any) -> Plan:
    """Two loops of two blocks with everything that looks back; `documents` is that section."""
    embedding = {"init": {"kind": "normal", "std": 1.0}}
    plain = small(
        model={"vocab_size": 11, "dim": 16, "embedding": embedding, "input": INPUT, "documents": documents},
        blocks={"core": group(2, init={"outputs": {"kind": "normal", "std": 0.4}})},
        graph=[{"stage": "trunk", "blocks": "core", "loops": 2, "skips": {"kind": "unet", "scope": "path"}, **stage}],
        train={"sequence_length": sum(LENGTHS), "batch_tokens": 2 * sum(LENGTHS), "stop": {"steps": 10}},
        evaluate={"stride": 5},
    )
    return plan_of(plain)


def built(plan: Plan) -> nn.Module:
    return build_module(plan, seed=4)


def texts(seed: int) -> list[Tensor]:
    """Documents of the given lengths; all but the first begin with the boundary token."""
    generator = torch.Generator().manual_seed(seed)
    documents = [torch.randint(2, 11, (length,), generator=generator) for length in LENGTHS]
    for document in documents[1:]:
        document[0] = BOUNDARY
    return documents


def rows() -> tuple[list[list[Tensor]], Tensor]:
    """Two rows of documents: the documents of each, and the rows packed, (2, 15)."""
    documents = [texts(0), texts(1)[:1] + texts(1)[:0:-1]]  # boundaries at other places
    return documents, torch.stack([torch.cat(row) for row in documents])


@pytest.mark.parametrize("stage", [{}, {"checkpoint_activations": True}], ids=["plain", "checkpointed"])
def test_a_packed_row_computes_what_its_documents_compute_alone(stage: dict[str, Any]) -> None:
    module = built(planned({"boundary_token": BOUNDARY}, **stage)).eval()
    documents, packed = rows()
    alone = torch.stack([torch.cat([module(text[None])[0] for text in row]) for row in documents])
    together = module(packed)
    assert (together - alone).norm() <= 1e-5 * alone.norm()
    mixed = built(planned(None)).eval()(packed)
    assert (mixed - alone).norm() > 0.05 * alone.norm()


def test_the_loss_of_training_is_the_mean_over_documents_alone() -> None:
    module = built(planned({"boundary_token": BOUNDARY})).train()
    documents, packed = rows()
    targets = packed.roll(-1, 1)
    whole = module(packed, targets)
    parts = []
    for row, target in zip(documents, targets, strict=True):
        pieces = target.split([len(text) for text in row])
        parts += [module(t[None], p[None]) * len(t) for t, p in zip(row, pieces, strict=True)]
    torch.testing.assert_close(whole, sum(parts) / packed.numel(), rtol=1e-5, atol=1e-6)


def changes(documents: dict[str, Any] | None, place: int) -> list[int]:
    """Places of the first row whose logits change with the token at `place`."""
    module, (_, packed) = built(planned(documents)).eval(), rows()
    other = packed.clone()
    other[0, place] = 2 + (other[0, place] + 1) % 9  # never the boundary
    moved = (module(packed) - module(other)).abs().amax(-1)
    assert not moved[1].any()
    return [int(place) for place in moved[0].nonzero()]


def test_a_token_acts_on_later_tokens_of_its_document_alone() -> None:
    assert changes({"boundary_token": BOUNDARY}, 5) == [5, 6, 7, 8]  # the third document is at 4 to 8
    assert changes({"boundary_token": BOUNDARY}, 2) == [2]
    assert changes(None, 5) == list(range(5, 15))


@pytest.mark.parametrize(
    ("kinds", "reach"), [(["smear_gate"], 3), (["ngram_hash"], 4), (["smear_gate", "ngram_hash"], 6)]
)
def test_a_layer_across_reaches_into_the_next_document(kinds: list[str], reach: int) -> None:
    """From the last token of the first document (2), past the second (3), which is one token long."""
    reached = changes({"boundary_token": BOUNDARY, "across": kinds}, 2)
    assert reached[:2] == [2, 3] and set(reached) <= set(range(2, 9))
    assert (max(reached) >= 4) == (reach > 3)  # trigrams look two back, and then attention within that document


def test_the_interpreter_agrees_bit_for_bit() -> None:
    plan = planned({"boundary_token": BOUNDARY, "across": ["ngram_hash"]})
    module, (_, packed) = built(plan).eval(), rows()
    oracle = Oracle(plan, {name: parameter.detach() for name, parameter in module.named_parameters()})
    for mode in plan.modes:
        with torch.no_grad():
            run = oracle.run(mode, packed, packed)
            assert torch.equal(module(packed, mode=mode), run.logits)
            assert torch.equal(module(packed, packed, mode=mode), run.values[Port("output/loss")])


def test_every_position_reads_one_mask_and_costs_no_more_flops() -> None:
    apart, together = planned({"boundary_token": BOUNDARY}), planned(None)
    readers = [site for site in apart.modes["full"].sites if "mask" in apart.graph.inputs(site, "full")]
    assert len(readers) == 4
    assert all("within_document" in position.features for position in apart.positions)
    assert not any("within_document" in position.features for position in together.positions)
    assert {apart.graph.inputs(site, "full")["mask"] for site in readers} == {Port("input/document_mask")}
    for mode, planned_mode in apart.modes.items():
        cost, other = planned_mode.cost, together.modes[mode].cost
        assert cost.forward_flops_per_token == other.forward_flops_per_token
        assert cost.activation_bytes_per_token == other.activation_bytes_per_token + 4 * sum(LENGTHS)


def test_a_masked_model_gets_a_kernel_that_takes_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopspec.compiler.modules.attention_kernel._importable", lambda module: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    device = torch.device("cuda")
    assert best_kernel(device, torch.bfloat16) == "flash3"
    assert best_kernel(device, torch.bfloat16, masked=True) == "sdpa"
