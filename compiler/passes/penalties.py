"""Which stores the penalties of training act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..graph.model import Store
from ..plan import FROZEN, UNASSIGNED
from ..spec.penalties import NuclearNorm
from .quantization import matches


def shrunk_stores(penalty: NuclearNorm | None, stores: Iterable[Store], groups: Mapping[str, str]) -> tuple[str, ...]:
    """The matrices whose singular values the nuclear-norm penalty lowers: those that match and that are trained.

    `groups` is the optimizer group of each store, by name.
    """
    if penalty is None:
        return ()
    matrices = (store for store in stores if len(store.shape) == 2 and matches(penalty.match, store))
    return tuple(store.name for store in matrices if groups[store.name] not in (FROZEN, UNASSIGNED))
