"""Random sizes and flags of the reference systems, tiny; the edges of each range are drawn often."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from support.reference_block import Shape
from support.reference_cycle import Cycle
from support.reference_ends import Ends
from support.reference_systems import Bank, Crawler, Frugendorff, System, Tied


def some(r: Random, count: int) -> tuple[int, ...]:
    """A subset of range(count), often empty or all."""
    chance = r.choice([0.0, 0.4, 0.7, 0.7, 1.0])
    return tuple(index for index in range(count) if r.random() < chance)


def hidden(r: Random, dim: int, *, swiglu: bool = False) -> int:
    """Hidden width of a random multiple."""
    mult = r.choice([1, 1.7, 2, 3, 4])
    return -(-int(dim * mult * 2 / 3) // 8) * 8 if swiglu else int(mult * dim)


def core_shape(r: Random, slope: float = 0.0) -> Shape:
    """A block of the core that all but PR 167 share: partial rotation, NTK beyond a reference length."""
    width, kv_heads = r.choice([4, 6, 8, 8]), r.choice([1, 2, 3])
    heads = kv_heads * r.choice([1, 2, 3] if kv_heads * width < 12 else [1, 2])
    dims = r.choice([None, 4, *range(2, width + 1, 2)])
    return Shape(
        dim=heads * width,
        heads=heads,
        kv_heads=kv_heads,
        hidden=hidden(r, heads * width),
        rope_dims=dims,
        ntk_reference=None if dims == 2 else r.choice([1, 3, 5, 5, 1024]),
        slope=slope,
        token_gate=r.random() < 0.25,
    )


def resized(r: Random, shape: Shape) -> Shape:
    """The same block with a hidden width of its own."""
    return Shape(**{**{name: getattr(shape, name) for name in Shape.__slots__}, "hidden": hidden(r, shape.dim)})


def core_ends(r: Random, shape: Shape, order: int, *, values: bool) -> Ends:
    kv_dim = shape.kv_heads * shape.width
    return Ends(
        vocab=r.choice([2, 11, 40]),
        dim=shape.dim,
        kv_dim=kv_dim,
        ngram=r.choice([None, *[(order, r.choice([2, 7, 48]), r.choice([5, shape.dim]))] * 3]),
        smear=r.random() < 0.85,
        value_dim=r.choice([6, kv_dim]) if values else None,
        tied=r.random() < 0.7,
        softcap=r.choice([30.0, 30.0, 4.0, None]),
    )


def frugendorff(r: Random) -> Frugendorff:
    shape, blocks = core_shape(r), r.randint(1, 6)
    values = some(r, blocks)
    return Frugendorff(
        ends=core_ends(r, shape, 2, values=bool(values)),
        shape=shape,
        blocks=blocks,
        loops=r.randint(1, 4),
        xsa_last=r.randint(0, blocks + 1),
        values=values,
        norm_scaled=r.random() < 0.7,
    )


def crawler(gate: str | None, *, inside: bool = False) -> Callable[[Random], Crawler]:
    def draw(r: Random) -> Crawler:
        shape, crawlers = core_shape(r), r.randint(1, 3)
        values = some(r, crawlers)
        return Crawler(
            ends=core_ends(r, shape, 3, values=bool(values)),
            flat=shape,
            crawler=resized(r, shape),
            flats=r.randint(1, 5),
            crawlers=crawlers,
            loops=2 if gate else r.randint(1, 4),
            xsa_last=r.randint(0, crawlers + 1),
            values=values,
            norm_scaled=r.random() < 0.7,
            gate=gate,
            inside=inside,
        )

    return draw


def bank(r: Random) -> Bank:
    shape, layers = core_shape(r), r.randint(1, 7)
    values = some(r, layers)
    return Bank(
        ends=core_ends(r, shape, 2, values=bool(values)),
        shape=shape,
        layers=layers,
        bank=resized(r, shape),
        loops=r.randint(1, 3),
        xsa_last=r.randint(0, layers + 1),
        values=values,
        norm_scaled=r.random() < 0.7,
    )


def tied(r: Random) -> Tied:
    shape, layers = core_shape(r, slope=r.choice([0.5, 0.5, 0.1, -0.3])), r.choice([1, 4, 5, 6, 7, 8])
    values, ties = some(r, layers), some(r, layers - 1) if r.random() < 0.7 else some(r, layers)
    ends = core_ends(r, shape, 2, values=bool(values))
    return Tied(
        ends=Ends(**{name: getattr(ends, name) for name in Ends.__slots__} | {"further_heads": r.choice([0, 0, 1, 3])}),
        shape=shape,
        layers=layers,
        tied=ties,
        xsa_last=r.randint(0, layers + 1),
        values=values,
        norm_scaled=r.random() < 0.7,
        value_residual=r.random() < 0.5,
        differential_last=r.choice([None, None, 0, r.randint(1, layers)]),
    )


def cycle_ends(r: Random, shape: Shape, *, ngram: bool = False, smoothing: float = 0.0) -> Ends:
    return Ends(
        vocab=r.choice([2, 11, 40]),
        dim=shape.dim,
        kv_dim=shape.kv_heads * shape.width,
        ngram=r.choice([None, (2, r.choice([2, 48]), r.choice([5, shape.dim]))]) if ngram else None,
        smear=ngram and r.random() < 0.6,
        tied=r.random() < 0.7,
        softcap=30.0,
        eps=shape.eps,
        smoothing=smoothing,
    )


def cycle_shape(r: Random, **changes: object) -> Shape:
    """A block with full rotation; `changes` are keys of Shape."""
    width, kv_heads, share = r.choice([4, 8]), r.choice([1, 2, 3]), r.choice([1, 2])
    dim = width * kv_heads * share
    wide = hidden(r, dim, swiglu=bool(changes.get("swiglu")))
    sizes = {"dim": dim, "heads": kv_heads * share, "kv_heads": kv_heads, "hidden": wide}
    return Shape(**{**sizes, **changes})  # type: ignore[arg-type]


def baseline(r: Random) -> Cycle:
    shape, layers = cycle_shape(r), r.randint(1, 8)
    return Cycle(ends=cycle_ends(r, shape), shape=shape, layers=layers, unique=layers)


def shared(r: Random) -> Cycle:
    shape, layers = cycle_shape(r), r.randint(1, 9)
    unique = r.randint(1, layers)
    return Cycle(
        ends=cycle_ends(r, shape, smoothing=r.choice([0.0, 0.1])),
        shape=shape,
        layers=layers,
        unique=unique,
        own_scales=r.random() < 0.5,
        kept=r.random() < 0.5,
    )


def experiment(r: Random) -> Cycle:
    # under the query's norm rank 1 would leave a sign, which float32 may get wrong
    rank, reference = r.choice([None, 3, 5]), r.choice([1, 5, 1024])
    shape = cycle_shape(r, query_rank=rank, ntk_reference=reference, ntk_of_head=True)
    layers = r.randint(1, 9)
    return Cycle(
        ends=cycle_ends(r, shape, ngram=True),
        shape=shape,
        layers=layers,
        unique=r.randint(1, layers),
        own_scales=r.random() < 0.5,
    )


def mlx(r: Random) -> Cycle:
    shape, layers = cycle_shape(r, eps=1e-6, forward=True, swiglu=r.random() < 0.5), r.randint(1, 7)
    bounded = r.random() < 0.4
    return Cycle(
        ends=cycle_ends(r, shape),
        shape=shape,
        layers=layers,
        unique=r.randint(1, layers),
        own_scales=not bounded and r.random() < 0.6,
        vectors=r.random() < 0.7,
        bounded=bounded,
        cycles=0 if bounded else r.choice([0, 1, 3]),
        stop_below=r.choice([1e-9, 0.3, 1.0]),
    )


SYSTEMS: dict[str, Callable[[Random], System]] = {
    "pr498": frugendorff,
    "run1": crawler(None),
    "run3": crawler("self"),
    "run6": crawler("ema"),
    "run8": crawler("reference"),
    "h4": crawler(None, inside=True),
    "gs7": bank,
    "pr857": tied,
    "pr167_sub": shared,
    "pr167_exp": experiment,
    "pr167_mlx": mlx,
    "baseline": baseline,
}
