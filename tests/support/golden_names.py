"""From our store names and sites to the names in recordings of the reference systems."""

from __future__ import annotations

from .goldens import Names

TOKENS: Names = ((r"token_embedding\.weight", "tok_emb.weight"),)

DEAD_SCALES = {
    r"blocks\.\d\.(attn_scale|mlp_scale|resid_mix)": "the scales of the position take the place of the block's own",
}


def block_names(ours: str, theirs: str) -> Names:
    """The blocks of a group, by number."""
    return _block(rf"blocks\.{ours}\.(\d+)\.", rf"{theirs}.\1.")


def bank_names() -> Names:
    """The one block of the bank, and its trace."""
    return (
        *_block(r"blocks\.bank\.0\.", "crawler_bank."),
        (r"stages\.bank\.trace\.inject", "crawler_inject_scale"),
        (r"stages\.bank\.trace\.decay", "crawler_decay_logit"),
    )


def _block(ours: str, theirs: str) -> Names:
    pairs = {
        "residual_mix": "resid_mix",
        "attention_scale": "attn_scale",
        "mlp_scale": "mlp_scale",
        "attention.query": "attn.c_q.weight",
        "attention.query_down": "attn.c_q_down.weight",
        "attention.query_up": "attn.c_q_up.weight",
        "attention.key": "attn.c_k.weight",
        "attention.value": "attn.c_v.weight",
        "attention.output": "attn.proj.weight",
        "attention.gain": "attn.q_gain",
        "mlp.up": "mlp.fc.weight",
        "mlp.down": "mlp.proj.weight",
    }
    return tuple((ours + slot.replace(".", r"\."), theirs + name) for slot, name in pairs.items())


def ngram_names(order: int, ngram: str, smear: str = "smear") -> Names:
    """Hashed n-grams and smear gate."""
    return (
        (rf"ngram_hash_{order}\.table", f"{ngram}.embed.weight"),
        (rf"ngram_hash_{order}\.projection", f"{ngram}.proj.weight"),
        (rf"ngram_hash_{order}\.scale", f"{ngram}.scale"),
        (r"smear_gate\.gate", f"{smear}.gate"),
    )


VALUE_EMBEDDING: Names = (
    (r"value_embedding\.table", "ve_shared.embed.weight"),
    (r"value_embedding\.projection", "ve_shared.proj.weight"),
    (r"value_embedding\.scale", "ve_shared.scale"),
)


def skip_names(stage: str, first: int, count: int) -> Names:
    """Skip weights of the receiving positions `first`, `first` + 1, ..."""
    return tuple((rf"stages\.{stage}\.skip_weight\.{first + j}", f"skip_weights@{j}") for j in range(count))


def gate_names() -> Names:
    """The gate between the crawler's firings."""
    return (
        (r"stages\.crawler\.gate", "delib_gate.weight"),
        (r"stages\.crawler\.gate_scale", "delib_scale"),
        (r"stages\.crawler\.reference", "consensus_ref@0,0"),
    )


def scale_names(attention: str, mlp: str, mixes: str) -> Names:
    """Scales and mixes of each position of the trunk."""
    return (
        (r"stages\.trunk\.attention_scale\.(\d)", rf"{attention}@\1"),
        (r"stages\.trunk\.mlp_scale\.(\d)", rf"{mlp}@\1"),
        (r"stages\.trunk\.residual_mix\.(\d)", rf"{mixes}@:,\1"),
    )


def block_trace(recorded: str, stage: str, group: str) -> Names:
    """Outputs of a group's blocks and of their attention; `{call}` counts the calls of the module before."""
    run = rf"{stage}/{group}.\1#{{call}}"
    return (
        (rf"{recorded}\.(\d)\.attn", f"{run}/attention"),
        (rf"{recorded}\.(\d)", f"{run}/mlp_add"),
    )


def input_trace(ngram: str, order: int, smear: str = "smear") -> Names:
    """The input side; a recorded n-gram branch is without the stream that ours is added to."""
    return ((ngram, f"branch of input/ngram_hash_{order}"), (smear, "input/smear_gate"))


COMMON_TRACE: Names = (
    ("ve_shared", "input/value_embedding"),
    ("crawler_bank", "bank/bank.0#{call}/mlp_add"),
    ("delib_gate", "gate {call} of crawler"),
    ("final_norm", "output/norm"),
)
