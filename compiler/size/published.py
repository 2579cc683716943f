"""Bytes of a published run's model file from what was declared of it, in classes each with its own interval.

Checks the closed form of a k-sigma clip against hundreds of models that others trained (OpenAI parameter-golf, logs of
its pull requests). Where no closed form holds, the prediction is bits a parameter of the class, with a wide interval.
"""

from __future__ import annotations

from dataclasses import dataclass

from .entropy import gaussian_entropy

SCALAR_BYTES, SCALE_BYTES = 1.6, 1.8
"""Of a small parameter in float16, and of a row's float16 scale, both compressed."""

OVER_ENTROPY = {"brotli": 1.010, "pergroup(lrzip/zpaq+brotli)": 0.996, "lzma": 1.077, "zstd": 1.098}
"""Codec, as logged, to bytes over order-0 entropy; of the last two a few runs are known only."""
WELL_KNOWN = {"brotli": "brotli", "pergroup(lrzip/zpaq+brotli)": "per-group zpaq"}

DECLARED_OTHER = 100_000
"""Small parameters of a model, gates included; above it some table was not declared."""
ASSUMED_MATRIX_K, ASSUMED_MLP_K, ASSUMED_EMBEDDING_K = 12.85, 11.5, 20.0
ASSUMED_EMBEDDING = 8192 * 512
ASSUMED_MLP_SHARE, ASSUMED_ROW_SHARE, ASSUMED_OTHER_SHARE = 0.727, 53e3 / 36e6, 31e3 / 36e6
"""Where no shapes are declared: as nearly every run with a k-sigma clip has them; shares of matrices, then of all."""

LEAST_BITS = 5  # with fewer, what ran was not what was declared

K_SIGMA, PARTLY, ANY = "k-sigma", "k-sigma, partly declared", "any policy"


@dataclass(frozen=True, slots=True)
class Groups:
    """Parameters by group, and the rows of the quantized matrices, which have a scale each."""

    embedding: int
    attention: int
    mlp: int
    other: int
    rows: int


@dataclass(frozen=True, slots=True)
class Clips:
    """Where each group's rows are clipped, in standard deviations; None where nobody said."""

    matrix: float | None = None
    attention: float | None = None
    mlp: float | None = None
    embedding: float | None = None

    @property
    def declared(self) -> bool:
        """Whether the k of every group is known; without ones of their own attention and MLP have the matrices'."""
        given = (self.matrix, self.embedding, self.attention, self.mlp)
        both = (self.attention is None) == (self.mlp is None)
        return both and self.matrix is not None and self.embedding is not None and 0.0 not in given


@dataclass(frozen=True, slots=True)
class PublishedRun:
    """What was declared of a run; nothing that is known only after training.

    Attributes:
        policy: its quantizer, as in "int6", "sdclip m6e7", "other".
        codec: "" where unknown.
        groups: None where the shapes are unknown.
    """

    parameters: int
    steps: int
    policy: str
    codec: str
    matrix_bits: int | None = None
    embedding_bits: int | None = None
    clips: Clips = Clips()
    groups: Groups | None = None


def base_bytes(run: PublishedRun) -> float:
    """What the class's factors multiply: the closed form for a k-sigma clip, else a byte a parameter."""
    return closed_form_bytes(run) if is_k_sigma(run) else float(run.parameters)


def closed_form_bytes(run: PublishedRun) -> float:
    """Gaussian entropy of every group on its grid, with scales and small parameters; what is missing is assumed."""
    clips, groups = run.clips, run.groups or _assumed_groups(run.parameters)
    matrix_k = clips.matrix or ASSUMED_MATRIX_K
    attention_k = clips.attention or matrix_k
    mlp_k = clips.mlp or (matrix_k if clips.attention is None else ASSUMED_MLP_K)
    matrix_bits, embedding_bits = run.matrix_bits or 6, run.embedding_bits or 8
    tables = max(0, groups.other - DECLARED_OTHER)
    bits = (
        groups.embedding * gaussian_entropy(embedding_bits, clips.embedding or ASSUMED_EMBEDDING_K)
        + groups.attention * gaussian_entropy(matrix_bits, attention_k)
        + groups.mlp * gaussian_entropy(matrix_bits, mlp_k)
        + tables * gaussian_entropy(matrix_bits, matrix_k)
    )
    plain = bits / 8 + SCALE_BYTES * groups.rows + SCALAR_BYTES * (groups.other - tables)
    return plain * OVER_ENTROPY.get(run.codec, 1.0)


def policy_class(run: PublishedRun) -> str:
    """The class that a run is counted in."""
    if not is_k_sigma(run):
        return f"{run.policy}, {run.codec or 'unknown codec'}"
    return f"{K_SIGMA} embedding int{run.embedding_bits}, {WELL_KNOWN[run.codec]}" if _declared(run) else PARTLY


def cells(run: PublishedRun) -> tuple[str, ...]:
    """Names under which a table may have the factors of a run, the narrowest first; it has the last of them."""
    policy = policy_class(run)
    if is_k_sigma(run):
        return (policy, f"{K_SIGMA}, {WELL_KNOWN[run.codec]}") if _declared(run) else (policy,)
    return (f"{policy}, {_length(run.steps)}", f"{ANY}, {_length(run.steps)}", ANY)


def is_k_sigma(run: PublishedRun) -> bool:
    """Whether the closed form applies, with every fact declared or not."""
    return run.policy.startswith("sdclip") and (run.matrix_bits or 6) >= LEAST_BITS


def _declared(run: PublishedRun) -> bool:
    """Whether everything that the closed form needs was declared, and lies where it was checked."""
    shapes = run.groups is not None and run.groups.other <= DECLARED_OTHER
    bits = run.matrix_bits is not None and (run.embedding_bits or 0) > LEAST_BITS
    return run.clips.declared and bits and shapes and run.codec in WELL_KNOWN


def _length(steps: int) -> str:
    """What training sets grows with it: an int8 model takes 2.9 bits a parameter after 100 steps, 7.4 after 6,000."""
    ends = {400: "under 400 steps", 1000: "under 1,000 steps", 3000: "under 3,000 steps", 6000: "under 6,000 steps"}
    return next((name for end, name in ends.items() if steps < end), "6,000 steps and more")


def _assumed_groups(parameters: int) -> Groups:
    embedding = min(ASSUMED_EMBEDDING, parameters)
    rows, other = (round(share * parameters) for share in (ASSUMED_ROW_SHARE, ASSUMED_OTHER_SHARE))
    matrices = max(0, parameters - embedding - other)
    mlp = round(ASSUMED_MLP_SHARE * matrices)
    return Groups(embedding, matrices - mlp, mlp, other, rows)
