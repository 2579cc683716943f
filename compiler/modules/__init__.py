"""The sublayers that emitted models compose, one concept a file. Imports torch."""

from . import combine
from .activation_checkpoint import checkpoint_activations
from .attention import Attention
from .bottleneck import bottleneck
from .bounded import bounded_update
from .combine import *  # noqa: F403 - a new combine rule is one function there
from .containers import Numbered, Part, buffer
from .convergence import relative_change
from .documents import document_mask, document_starts
from .embedding import NgramHash, TokenEmbedding, ValueEmbedding
from .head import Head, cross_entropy, learned_weighted_loss, multi_token_loss, project_logits, weighted_loss
from .lanes import write_lane
from .mlp import GatedMlp, Mlp
from .norm import rms_norm
from .parameter import Named, Vectors, empty
from .residual import residual_mix
from .rotary import rotary_table
from .skip import gated_skip
from .skip_trace import SkipTrace
from .smear_gate import SmearGate
from .token_gate import token_gate

__all__ = [
    "Attention",
    "GatedMlp",
    "Head",
    "Mlp",
    "Named",
    "NgramHash",
    "Numbered",
    "Part",
    "SkipTrace",
    "SmearGate",
    "TokenEmbedding",
    "ValueEmbedding",
    "Vectors",
    "bottleneck",
    "bounded_update",
    "buffer",
    "checkpoint_activations",
    "cross_entropy",
    "document_mask",
    "document_starts",
    "empty",
    "gated_skip",
    "learned_weighted_loss",
    "multi_token_loss",
    "project_logits",
    "relative_change",
    "residual_mix",
    "rms_norm",
    "rotary_table",
    "token_gate",
    "weighted_loss",
    "write_lane",
]
__all__ += combine.__all__
