"""A trained model to analyse: from a run folder's latest checkpoint, or from an artifact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ...compiler.emit.loader import build_module
from ...compiler.plan import Plan
from ..data.token_source import TokenData
from ..pipeline.prepare import prepare_data
from ..pipeline.run_plan import read_run_plan
from ..pipeline.scoring import OpenedArtifact, check_tokenizer, load_weights, open_artifact
from ..pipeline.training import checkpoint_weights, load_checkpoint
from .errors import AnalysisError


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A plan and a module with the weights that are scored, on the CPU in float32.

    Attributes:
        source: the folder or file that it was read from.
        weights: which weights these are, for people.
        artifact: what was opened, None for a run.
    """

    plan: Plan
    module: nn.Module
    source: Path
    weights: str
    artifact: OpenedArtifact | None = None


def open_trained(source: Path) -> TrainedModel:
    """The model of a run folder (the average that its spec loads, else the last weights) or of an artifact.

    Raises:
        RunFolderError, CheckpointError: the folder holds no run, or no usable checkpoint.
        ArtifactError, TokenizerError: the file is no whole artifact.
    """
    if source.is_dir():
        return _open_run(source)
    opened = open_artifact(source)
    return TrainedModel(opened.plan, opened.module.eval(), source, "the artifact's, unpacked", opened)


def _open_run(folder: Path) -> TrainedModel:
    plan = read_run_plan(folder)
    checkpoint = load_checkpoint(plan, folder)
    module = build_module(plan)
    load_weights(plan, module, checkpoint_weights(plan, checkpoint), checkpoint.states)
    average = f", averaged ({plan.spec.train.load})" if plan.spec.train.loaded is not None else ""
    return TrainedModel(plan, module.eval(), folder, f"after step {checkpoint.step:,}{average}")


def training_data(model: TrainedModel, note: Callable[[str], None]) -> TokenData:
    """The data that the model was trained on, tokenized as it was.

    Raises:
        DataError: text, shards or tokenizer that cannot be used, or another tokenizer than the artifact's.
    """
    data = prepare_data(model.plan, note)
    if model.artifact is not None:
        check_tokenizer(model.artifact, data.tokenizer)
    return data


def chosen_mode(plan: Plan, given: str | None) -> str:
    """The mode asked for, or the one that the spec evaluates in.

    Raises:
        AnalysisError: the model has no such mode.
    """
    mode = plan.spec.activities["evaluate"] if given is None else given
    if mode not in plan.modes:
        raise AnalysisError(f"no mode is named {mode!r}; the model has {', '.join(plan.modes)}")
    return mode
