"""What a standalone script does: opens an artifact, rebuilds its model, and scores token shards with it.

The reader, with all of its checks, the decoder and the scorer are the ones that `loopspec eval` uses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...compiler.modules.attention_kernel import best_kernel, use_kernel
from ...compiler.spec.evaluate import build_evaluate
from ..artifact.contents import ArtifactContents
from ..artifact.errors import ArtifactError
from ..artifact.file import read_artifact
from ..data.byte_table import ByteTable
from ..data.errors import DataError
from ..data.shards import read_shard
from ..data.text_tokenizer import TextTokenizer
from ..evaluate.score import ScoreError, ScoreSettings, score
from ..quantize.errors import QuantizeError
from ..quantize.store import EncodedStore, decode
from ..train.determinism import configure
from ..train.precision import scoring_autocast
from ..train.states import load_states
from .identity import identity

FAULTS = (ArtifactError, DataError, QuantizeError, ScoreError)


def main(build: Callable[[], nn.Module], made_of: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Runs the script; returns its exit code: 0, or 1 after one line on stderr.

    Args:
        build: the emitted model's class.
        made_of: `identity` of the spec that the script was made of.
    """
    parser = argparse.ArgumentParser(description="Rebuilds the model of an artifact, and scores token shards with it.")
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--shard", type=Path, nargs="+", default=[], help="validation tokens, in this order")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options = parser.parse_args(arguments)
    try:
        for line in _lines(build, made_of, options):
            print(line, flush=True)
    except FAULTS as fault:
        print(f"{parser.prog}: {fault}", file=sys.stderr)
        return 1
    return 0


def open_model(
    build: Callable[[], nn.Module], made_of: Mapping[str, str], path: Path
) -> tuple[nn.Module, ArtifactContents]:
    """The module with the artifact's weights and states, and the artifact's contents.

    Raises:
        ArtifactError: no sound artifact, or one of another spec than the script's.
    """
    contents = read_artifact(path)
    found = identity(contents.spec, ((store.name, store.shape) for store in contents.tensors.values()))
    other = [name for name, digest in found.items() if made_of.get(name) != digest]
    if other:
        raise ArtifactError(
            f"{path}: its spec is not the one that this script was made of, they differ in {', '.join(other)}; "
            "make a script of its own spec (loopspec unpack, then loopspec export)"
        )
    module = build()
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, weights in _decoded(contents.stores).items():
            parameters[name].copy_(weights)
    load_states(module, _decoded(contents.states))
    return module, contents


def _decoded(encoded: Mapping[str, EncodedStore]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(decode(store)) for name, store in encoded.items()}


def _lines(build: Callable[[], nn.Module], made_of: Mapping[str, str], options: argparse.Namespace) -> Iterator[str]:
    module, contents = open_model(build, made_of, options.artifact)
    spec = contents.spec
    count = sum(parameter.numel() for parameter in module.parameters())
    yield f"{options.artifact}: {spec['name']}, {count:,} parameters in {len(contents.stores)} stores"
    if not options.shard:
        yield "give --shard FILE.bin to score it"
        return
    device = _device(options.device, spec)
    size = spec["model"]["vocab_size"]
    tokenizer, missing = _tokenizer(contents, size)
    tokens = np.concatenate([read_shard(path, tokenizer.vocab_size if tokenizer else size) for path in options.shard])
    # where bytes are not known, one a token: the loss is the same
    table = ByteTable.from_tokenizer(tokenizer, size, dummy_prefix=True) if tokenizer else _one_byte_each(size)
    settings = _settings(spec)
    with scoring_autocast(spec["train"]["precision"], device):
        result = score(module.to(device), tokens, table, settings, device)
    window = f"windows of {settings.sequence_length}, stride {settings.stride}, mode {settings.mode}"
    yield f"validation loss {result.loss:.8f} nats a token, {result.tokens:,} tokens, {window}"
    yield missing or f"bits per byte   {result.bits_per_byte:.8f}, {result.bytes:,} bytes"


def _settings(spec: dict[str, Any]) -> ScoreSettings:
    window = build_evaluate(spec["evaluate"], spec["train"])
    mode = spec["activities"]["evaluate"]
    return ScoreSettings(window.sequence_length, window.stride, window.batch_windows, mode)


def _device(name: str, spec: Mapping[str, Any]) -> torch.device:
    """As `loopspec eval` sets it up: the same threads, kernels and number format."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ScoreError("--device cuda: torch finds no CUDA device; use --device cpu")
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    configure(device, spec["train"]["cpu_threads"])
    dtype = torch.bfloat16 if spec["train"]["precision"] == "bfloat16" else torch.float32
    use_kernel(best_kernel(device, dtype, masked=spec["model"]["documents"] is not None))
    return device


def _tokenizer(contents: ArtifactContents, vocab_size: int) -> tuple[TextTokenizer | None, str]:
    """The artifact's tokenizer, or why it is not known what bytes its tokens stand for."""
    if contents.spec["data"]["tokenizer"]["kind"] == "bytes":
        from ..data.byte_tokenizer import ByteTokenizer

        return ByteTokenizer.for_vocabulary(vocab_size), ""
    if contents.tokenizer is None:
        return None, "no bits per byte: the artifact does not carry its tokenizer"
    try:
        from ..data.tokenizer import Tokenizer
    except ModuleNotFoundError as error:
        return None, f"no bits per byte: {error}; pip install sentencepiece"
    return Tokenizer.from_bytes(contents.tokenizer), ""


def _one_byte_each(vocab_size: int) -> ByteTable:
    no = np.zeros(vocab_size, np.bool_)
    return ByteTable(np.ones(vocab_size, np.int16), no, no, (None,) * vocab_size)
