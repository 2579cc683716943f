"""The tiny spec, with and without rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.recipe_run import write_recipe


@pytest.fixture(scope="session")
def spec(recipe: Path) -> Path:
    return recipe


@pytest.fixture(scope="session")
def unrounded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The spec without steps on rounded weights."""
    return write_recipe(tmp_path_factory.mktemp("unrounded"), rounded=False)
