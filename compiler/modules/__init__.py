"""The sublayers that emitted models compose, one concept a file. Imports torch."""

from .attention import Attention
from .containers import Block, Stage
from .embedding import NgramHash, TokenEmbedding, ValueEmbedding
from .head import Head, cross_entropy, project_logits
from .mlp import Mlp
from .norm import rms_norm
from .parameter import Named
from .residual import residual_mix
from .rotary import rotary_table
from .smear_gate import SmearGate

__all__ = [
    "Attention",
    "Block",
    "Head",
    "Mlp",
    "Named",
    "NgramHash",
    "SmearGate",
    "Stage",
    "TokenEmbedding",
    "ValueEmbedding",
    "cross_entropy",
    "project_logits",
    "residual_mix",
    "rms_norm",
    "rotary_table",
]
