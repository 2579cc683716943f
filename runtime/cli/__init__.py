"""The command line, `loopspec COMMAND`. Importing it imports no command and no library."""

from __future__ import annotations

from .entry import main

__all__ = ["main"]
