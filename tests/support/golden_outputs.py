"""What a golden's module gives for each recorded output, by the recording's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from loopspec.compiler.graph.model import Port
from loopspec.compiler.modules.embedding import hash_ngrams

from .goldens import INPUTS, Golden, Loaded, load


def recorded_outputs(golden: Golden) -> set[str]:
    """Names of the recorded arrays that are neither weights nor inputs nor steps of a trace."""
    return {name for name in golden.arrays if not name.startswith(("sd.", "trace.")) and name not in INPUTS}


def computed_outputs(loaded: Loaded) -> dict[str, Tensor]:
    """Logits and losses of every run, and what else the recording holds."""
    outputs: dict[str, Tensor] = {}
    for run in loaded.golden.runs:
        with torch.no_grad():
            logits = loaded.module(loaded.batch[0], mode=run.mode)
            outputs |= dict.fromkeys(run.logits, logits)
            if run.loss is not None:
                outputs[run.loss] = loaded.module(*loaded.batch, mode=run.mode)
    for name, further in _FURTHER.items():
        if name in loaded.golden.arrays:
            with torch.no_grad():
                outputs |= further(loaded)
    return outputs


def _bigrams(loaded: Loaded) -> dict[str, Tensor]:
    return {"bigram_ids": hash_ngrams(loaded.batch[0], 2, 48)}


def _trigrams(loaded: Loaded) -> dict[str, Tensor]:
    return {"trigram_ids": hash_ngrams(loaded.batch[0], 3, 48)}


def _smoothed(loaded: Loaded) -> dict[str, Tensor]:
    """The loss of a training step with smoothed labels; the original smooths in evaluation too."""
    smoothed = load(replace(loaded.golden, sets=(*loaded.golden.sets, "train.label_smoothing=0.1")))
    return {"loss_label_smoothing_0.1": smoothed.module.train()(*loaded.batch)}


def _row(loaded: Loaded) -> dict[str, Tensor]:
    logits = loaded.module(loaded.batch[0])[0]
    return {"loss_per_token_row0": F.cross_entropy(logits, loaded.batch[1][0], reduction="none")}


def _hidden(loaded: Loaded) -> dict[str, Tensor]:
    """The stream after the final norm, before the head; the interpreter's, whose logits are the module's."""
    run = loaded.interpret("full")
    assert torch.equal(run.logits, loaded.module(loaded.batch[0]))
    return {"final_hidden": run.values[Port("output/norm")]}


def _changes(loaded: Loaded) -> dict[str, Tensor]:
    loaded.module(loaded.batch[0], mode="fixed_point")
    return {"deq_deltas": torch.stack(loaded.module.changes).double()}  # type: ignore[arg-type]


def _traced(loaded: Loaded) -> dict[str, Tensor]:
    """Training steps of the bank: it fires on one batch, its trace is added to the next, twice."""
    fresh = load(loaded.golden).module.train()
    outputs = {"loss_inactive_no_cache": fresh(*loaded.batch, mode="without_bank")}
    second = loaded.golden.tensor("input_ids_2"), loaded.golden.tensor("target_ids_2")
    outputs["loss_bank_active"] = fresh(*loaded.batch, mode="full")
    trace = fresh.get_submodule("stages.bank.trace")
    assert isinstance(trace.delta, Tensor)
    outputs["cache_after_active"] = trace.delta.clone()
    outputs["loss_inject_age0_batch2"] = fresh(*second, mode="without_bank")
    outputs["loss_inject_age1_batch2"] = fresh(*second, mode="without_bank")
    assert isinstance(trace.age, Tensor)
    return outputs | {"age_after": trace.age}


_FURTHER: Mapping[str, Callable[[Loaded], dict[str, Tensor]]] = {
    "bigram_ids": _bigrams,
    "trigram_ids": _trigrams,
    "loss_label_smoothing_0.1": _smoothed,
    "loss_per_token_row0": _row,
    "final_hidden": _hidden,
    "deq_deltas": _changes,
    "loss_bank_active": _traced,
}
"""By an output that only such recordings hold."""
