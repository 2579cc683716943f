"""The `data` section to put into a spec, for shards that were just made."""

from __future__ import annotations

import glob
import json
from pathlib import Path


def shards_section(train: Path, validation: Path, tokenizer: Path | None, vocab_size: int) -> str:
    """YAML; the last part of `train` and `validation` is a glob, and no `tokenizer` means bytes."""
    made_with = "{kind: bytes}" if tokenizer is None else f"{{kind: file, path: {_quoted(str(tokenizer))}}}"
    return f"""\
data:
  source:
    kind: shards
    train: {_quoted(_pattern(train))}
    validation: {_quoted(_pattern(validation))}
  tokenizer: {made_with}
model: {{vocab_size: {vocab_size}}}  # beside your other keys of model
"""


def _pattern(path: Path) -> str:
    """The folder's own brackets and stars stand for themselves."""
    return str(Path(glob.escape(str(path.parent))) / path.name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
