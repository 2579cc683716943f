"""A process to fork runs from, and a tiny spec, started and written when the first test asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.forge import Forge
from support.recipe_run import write_recipe


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    with Forge() as started:
        yield started


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe"))
