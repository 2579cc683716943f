"""What PyTorch is asked to do in forward and backward: a count that no busy machine disturbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True, slots=True)
class Work:
    """Operations, views included, and the bytes of what they compute."""

    operations: int
    bytes_written: int


def work_of(action: Callable[[], object]) -> Work:
    """Counts one call, its backward pass included."""
    with _Counting() as counting:  # type: ignore[no-untyped-call]
        action()
    return Work(counting.operations, counting.bytes_written)


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    operations = 0
    bytes_written = 0

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += 1
        if not func.is_view and func is not torch.ops.aten._unsafe_view.default:
            outputs = result if isinstance(result, (tuple, list)) else (result,)
            tensors = [output for output in outputs if isinstance(output, Tensor)]
            self.bytes_written += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return result
