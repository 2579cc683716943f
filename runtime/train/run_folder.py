"""The folder of one run: what is where in it, and that one process at a time writes there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..atomic_file import remove_leftovers
from .errors import RunFolderError

LOCK = "lock"


class RunFolder:
    """Paths of a run's files, and the lock on them. Use it as a context manager.

    Args:
        path: the folder; created if absent.
        resume: go on with what is there; otherwise the folder must hold no run.
        event: told about a lock, and about partial files, left by a process that died.
        leads: this process writes the folder; the others of a run only know where it is.

    Raises:
        RunFolderError: it cannot be made or written, another process holds it, it holds a run and `resume` is off,
            or it holds none and `resume` is on.
    """

    def __init__(self, path: Path, *, resume: bool, event: Callable[[str], None], leads: bool = True) -> None:
        self.path = path
        self.spec = path / "spec.yaml"
        self.plan = path / "plan.txt"
        self.model = path / "model.py"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.artifact = path / "artifact.loopspec"
        self.report = path / "report.json"
        self.clock = path / "clock.json"
        self.outcome = path / "outcome.json"
        self._descriptor: int | None = None
        self._made = False
        if not leads:
            return
        if resume:
            self._check(resume)  # before anything is made: the path may be a slip
        self._create()
        self._descriptor = self._lock(event)
        try:
            self._check(resume)
        except RunFolderError:
            self.close()
            raise
        if not resume and self._clear():
            event(f"run folder {path}: removed what a start left that ended before it was a run")
        if removed := remove_leftovers(path):
            event(f"run folder {path}: removed {removed} partial files of killed writes")

    def holds_run(self) -> bool:
        """Whether some run has written here; plan and model alone are of one that was killed before it was a run."""
        files = (self.spec, self.metrics, self.checkpoints, self.artifact, self.report)
        return any(file.exists() for file in files)

    def close(self) -> None:
        """Give the lock back. A folder that was made for nothing goes; in any other the empty lock file stays."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self._remove_unused()
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _create(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._made = not self.path.is_dir()
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            message = f"run folder {self.path} cannot be made ({error.strerror}); name another one"
            raise RunFolderError(message) from error

    def _remove_unused(self) -> None:
        """Remove the folder where this process made it and nothing but its lock came into it.

        Who opened the lock file before it went finds in `_lock` that it is no longer the folder's.
        """
        lock = self.path / LOCK
        if self._made and [path.name for path in self.path.iterdir()] == [LOCK]:
            lock.unlink()
            with suppress(OSError):  # something came into it at this moment
                self.path.rmdir()

    def _check(self, resume: bool) -> None:
        if resume and not self.holds_run():
            raise RunFolderError(f"run folder {self.path} holds no run to resume; check the path, or start a new run")
        if not resume and self.holds_run() and not self._only_begun():
            raise RunFolderError(f"run folder {self.path} holds a run already; resume it, or name another folder")

    def _only_begun(self) -> bool:
        """Whether a start ended before it wrote spec.yaml: no step was taken that could be lost."""
        if any(file.exists() for file in (self.spec, self.artifact, self.report)):
            return False
        if self.metrics.exists() and self.metrics.stat().st_size:
            return False
        return all(file.stem == "step-000000000" for file in self.checkpoints.glob("step-*.ckpt"))

    def _clear(self) -> bool:
        """Remove what such a start left, which a new run would take for its own; whether there was anything."""
        files = [file for file in (self.metrics, self.clock, self.outcome) if file.exists()]
        for file in files:
            file.unlink()
        if self.checkpoints.exists():
            shutil.rmtree(self.checkpoints)
            return True
        return bool(files)

    def _lock(self, event: Callable[[str], None]) -> int:
        """Take the kernel's lock, which goes with the process; the pid in the file only tells who had it."""
        lock = self.path / LOCK
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            message = f"run folder {self.path} cannot be written ({error.strerror}); name another one"
            raise RunFolderError(message) from error
        owner = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunFolderError(
                f"run folder {self.path} is in use by process {owner or 'unknown'}; wait for it, or name another folder"
            ) from error
        if not _is_file(lock, descriptor):  # its owner removed it, with the folder, between the two calls
            os.close(descriptor)
            self._create()
            return self._lock(event)
        if owner:
            event(f"{lock}: taken over from process {owner}, which died without giving it back")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


def _is_file(path: Path, descriptor: int) -> bool:
    """Whether the open file is what lies at `path` now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
