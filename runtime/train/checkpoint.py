"""Checkpoints: one file each, whole or absent, checked by digest, named by a `latest` pointer that is written last.

Layout of a file: 16 bytes of magic with the format version, 32 bytes sha256 of the rest, then what `torch.save` wrote.
(torch's own reader does not check the zip's checksums.)
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...compiler.plan import Plan
from ...compiler.source.nodes import Mapping, mapping_to_plain
from ...compiler.source.yaml_reader import parse_yaml
from ..atomic_file import remove_leftovers, sync_folder, write_atomically
from .errors import CheckpointError

FORMAT_VERSION = 4
MAGIC_PREFIX = b"loopspec-ckpt"
MAGIC = MAGIC_PREFIX + b"%03d" % FORMAT_VERSION
DIGEST_BYTES = 32
LATEST = "latest"
PATTERN = "step-*.ckpt"


def spec_hash(plan: Plan) -> str:
    """sha256 of the resolved spec and the order of its groups; a run resumes only from checkpoints of the same."""
    return _hash(plan.spec.plain)


def written_spec_hash(file: Path, plan: Plan) -> str:
    """`spec_hash` of the resolved spec in `file` as it was written; of `plan`, which is to be written there, before.

    Keys that the language has got since have their defaults in the plan and are not in the file, so that they do not
    matter: the checkpoints beside it were written before them.
    """
    try:
        node = parse_yaml(file.read_text(encoding="utf-8"), str(file)).node
    except FileNotFoundError:
        return spec_hash(plan)
    plain = mapping_to_plain(node) if isinstance(node, Mapping) else {}
    # a file without blocks is no resolved spec, and the hash of no checkpoint
    return _hash(plain) if isinstance(plain.get("blocks"), dict) else spec_hash(plan)


def _hash(plain: dict[str, Any]) -> str:
    text = json.dumps([plain, list(plain["blocks"])], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole state of a run after `step` optimizer steps.

    Attributes:
        model: weights by store name, those that only training reads included.
        states: buffers that the module wrote, by name.
        optimizers: by group.
        average: state of the average that is loaded, or None.
        random: states of the random generators.
        batches: place of the data loader.
        itinerary: where the run stands in training or in what follows it.
        clock: seconds of the training clock, and those spent elsewhere.
        counts: what was done so far.
        train_loss: of the last step; None before the first.
    """

    step: int
    spec_hash: str
    model: dict[str, Tensor]
    states: dict[str, Tensor]
    optimizers: dict[str, Any]
    average: dict[str, Any] | None
    random: dict[str, Any]
    batches: dict[str, Any]
    itinerary: dict[str, Any]
    clock: dict[str, Any]
    counts: dict[str, Any]
    train_loss: float | None


class CheckpointFolder:
    """The checkpoints of one run; keeps the last `keep`, at least one."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = max(keep, 1)

    def path_of(self, step: int) -> Path:
        """Where the checkpoint after `step` steps lies."""
        return self.folder / f"step-{step:09d}.ckpt"

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write the file, then the pointer, then remove what is no longer kept (and leftovers of killed writes)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path_of(checkpoint.step)
        write_atomically(path, [encode(checkpoint)])
        write_atomically(self.folder / LATEST, [f"{path.name}\n".encode()])
        others = [other for other in self._files() if other != path]
        for stale in others[: max(len(others) + 1 - self._keep, 0)]:
            stale.unlink()
        remove_leftovers(self.folder)
        sync_folder(self.folder)
        return path

    def latest(self, event: Callable[[str], None]) -> Path | None:
        """The file that the pointer names; None where no checkpoint was ever completed.

        Where a kill came between the first file and the pointer there is none: `event` is told, and the newest file is
        taken, which is whole, since files take their name only when they are.

        Raises:
            CheckpointError: the pointer is malformed, or names a file that is not there.
        """
        pointer, files = self.folder / LATEST, self._files()
        if not pointer.exists():
            if not files:
                return None
            event(f"{pointer} is missing; taking the newest checkpoint beside it, {files[-1].name}")
            return files[-1]
        name = pointer.read_text(encoding="utf-8", errors="replace").strip()
        path = self.folder / name
        if path not in files:
            raise CheckpointError(
                f"{pointer} names {name!r}, which is not there; write the name of another into it: {_names(files)}"
            )
        return path

    def load(
        self, path: Path, expected_spec_hash: str, device: torch.device, *, written: str | None = None
    ) -> Checkpoint:
        """Read and check one file.

        Args:
            written: another hash that will do, that of the run's spec as it was written (`written_spec_hash`).

        Raises:
            CheckpointError: names the file, what is wrong with it and the mend.
        """
        others = [other for other in self._files() if other != path]
        mend = f"remove it and write the name of another into {self.folder / LATEST}: {_names(others)}"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read ({error.strerror}); {mend}") from error
        checkpoint = decode(data, device, path, mend)
        if checkpoint.spec_hash not in (expected_spec_hash, written):
            raise CheckpointError(
                f"{path} belongs to another spec (hash {checkpoint.spec_hash[:12]}, this spec has "
                f"{expected_spec_hash[:12]}); resume with the spec it was written for, or start a new run folder"
            )
        return checkpoint

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(PATTERN))


def encode(checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save({field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}, buffer)
    payload = buffer.getvalue()
    return MAGIC + hashlib.sha256(payload).digest() + payload


def decode(data: bytes, device: torch.device, path: Path, mend: str) -> Checkpoint:
    """Check magic, version and digest, then load without unpickling code. `path` and `mend` are for the message."""
    head = len(MAGIC) + DIGEST_BYTES
    if not data.startswith(MAGIC_PREFIX):
        raise CheckpointError(f"{path} is no loopspec checkpoint; {mend}")
    if data[: len(MAGIC)] != MAGIC:
        version = data[len(MAGIC_PREFIX) : len(MAGIC)].decode("ascii", errors="replace")
        raise CheckpointError(
            f"{path} has checkpoint format {version}, this version reads {FORMAT_VERSION:03d}; "
            "resume with the version that wrote it"
        )
    payload = data[head:]
    if hashlib.sha256(payload).digest() != data[len(MAGIC) : head]:
        raise CheckpointError(f"{path} is damaged (its digest differs); {mend}")
    try:
        state = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} holds something other than tensors and plain values; {mend}") from error
    expected = {field.name for field in fields(Checkpoint)}
    if not isinstance(state, dict) or state.keys() != expected:
        raise CheckpointError(f"{path} lacks parts of a checkpoint or has others; {mend}")
    state["random"] = _on_cpu(state["random"])
    state["batches"] = _on_cpu(state["batches"])
    return Checkpoint(**state)


def _on_cpu(value: Any) -> Any:  # noqa: ANN401 - plain nested data
    """Generator states and the loader's place live on CPU whatever the device of the run."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    return [_on_cpu(item) for item in value] if isinstance(value, list) else value


def _names(files: list[Path]) -> str:
    return ", ".join(file.name for file in reversed(files)) or "none is left, start a new run folder"
