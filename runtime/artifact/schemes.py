"""A quantization scheme as the header's JSON writes it."""

from __future__ import annotations

from math import isfinite
from typing import Any

from ...compiler.spec.quantization import Clip, Scheme
from .errors import ArtifactError


def scheme_to_plain(scheme: Scheme) -> dict[str, Any]:
    """The scheme as JSON: kind, and for `integer` its bits and clip."""
    if scheme.kind != "integer":
        return {"kind": scheme.kind}
    assert scheme.clip is not None
    clip: dict[str, Any] = {"kind": scheme.clip.kind}
    if scheme.clip.k is not None:
        clip["k"] = scheme.clip.k
    return {"bits": scheme.bits, "clip": clip, "kind": "integer"}


def scheme_from_plain(plain: object, place: str) -> Scheme:
    """Undoes `scheme_to_plain`. Raises ArtifactError for any scheme that this version does not know."""
    for kind in ("float16", "float32"):
        if plain == {"kind": kind}:
            return Scheme(kind)
    if isinstance(plain, dict) and set(plain) == {"kind", "bits", "clip"} and plain["kind"] == "integer":
        bits, clip = plain["bits"], _clip_from_plain(plain["clip"])
        if type(bits) is int and 2 <= bits <= 8 and clip is not None:
            return Scheme("integer", bits, clip)
    raise ArtifactError(f"{place}: scheme {str(plain)[:200]} is not known; read it with the loopspec that wrote it")


def _clip_from_plain(plain: object) -> Clip | None:
    if plain == {"kind": "absmax"}:
        return Clip("absmax")
    if isinstance(plain, dict) and set(plain) == {"kind", "k"} and plain["kind"] == "std":
        k = plain["k"]
        if type(k) in (int, float) and isfinite(k) and k > 0:
            return Clip("std", k)
    return None
