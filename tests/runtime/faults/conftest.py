"""The tiny spec, and the run of it that nothing disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.forge import Forge


@pytest.fixture(scope="session")
def spec(recipe: Path) -> Path:
    return recipe


@pytest.fixture(scope="session")
def straight(forge: Forge, spec: Path) -> Path:
    """The folder of a run that was never stopped."""
    folder = spec.parent / "straight"
    ended = forge.run(["train", spec, "-o", folder], spec.parent / "straight.out")
    assert ended.code == 0, ended.said
    return folder
