"""Packages that only some codecs need."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import EntropyError

EXTRA = "ans"
"""The extra that installs them."""


def optional_package(name: str, what: str) -> ModuleType:
    """The module `name`, or one of a package that is not installed with loopspec.

    Raises:
        EntropyError: it is not there; `what` says what needs it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EntropyError(
            f"{what} needs a package that is missing ({error}); pip install 'loopspec[{EXTRA}]'"
        ) from error
