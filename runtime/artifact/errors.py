"""The error of the artifact's reader and writer."""

from __future__ import annotations


class ArtifactError(ValueError):
    """An artifact that cannot be written, or a file that is not a sound one. The message names file, place and mend."""
