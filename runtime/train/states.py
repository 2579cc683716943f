"""States: the buffers that a module writes while it runs, such as a gate's running average and a skip trace's record.

They are part of where a run stands, so checkpoints hold them. No average over the weights includes them: what is scored
and packed beside averaged weights are the states after the last step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def states_of(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all buffers in the module's state dict, by name. A skip trace has none before its first record."""
    parameters = {name for name, _ in module.named_parameters()}
    return {name: value.clone() for name, value in module.state_dict().items() if name not in parameters}


def load_states(module: nn.Module, states: Mapping[str, Tensor]) -> None:
    """Restores what `states_of` gave, cast to the buffers' dtypes; a record that is not in it is forgotten.

    Raises:
        ValueError: the module has other states, or others of these names.
    """
    own = dict(module.named_parameters())
    try:
        with torch.no_grad():
            module.load_state_dict({**own, **states})
    except RuntimeError as error:
        raise ValueError(" ".join(str(error).split())) from error
