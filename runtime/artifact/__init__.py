"""The packed artifact: one file with the resolved spec, every store and, if wanted, the tokenizer. See FORMAT.md."""

from __future__ import annotations

from .builder import Frame, assemble, build_artifact, build_codes, build_frame
from .container import FORMAT_VERSION, MAGIC, parse_artifact
from .contents import LOOPSPEC_VERSION, ArtifactContents, ArtifactSummary
from .errors import ArtifactError
from .file import check_target, read_artifact, write_artifact, write_built
from .header import STATE_SCHEME, STATE_STORAGE

__all__ = [
    "FORMAT_VERSION",
    "LOOPSPEC_VERSION",
    "MAGIC",
    "STATE_SCHEME",
    "STATE_STORAGE",
    "ArtifactContents",
    "ArtifactError",
    "ArtifactSummary",
    "Frame",
    "assemble",
    "build_artifact",
    "build_codes",
    "build_frame",
    "check_target",
    "parse_artifact",
    "read_artifact",
    "write_artifact",
    "write_built",
]
