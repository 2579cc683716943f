"""The packed artifact: one file with the resolved spec, every store and, if wanted, the tokenizer. See FORMAT.md."""

from __future__ import annotations

from .container import FORMAT_VERSION, MAGIC, build_artifact, parse_artifact
from .contents import LOOPSPEC_VERSION, ArtifactContents, ArtifactSummary
from .errors import ArtifactError
from .file import read_artifact, write_artifact
from .header import STATE_SCHEME

__all__ = [
    "FORMAT_VERSION",
    "LOOPSPEC_VERSION",
    "MAGIC",
    "STATE_SCHEME",
    "ArtifactContents",
    "ArtifactError",
    "ArtifactSummary",
    "build_artifact",
    "parse_artifact",
    "read_artifact",
    "write_artifact",
]
