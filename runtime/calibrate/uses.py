"""Sees every use of a module's parameters in a forward pass, and keeps those that are products and lookups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One site's use of a store (rows, cols) in one batch.

    Attributes:
        operand: of a `product`: x (..., cols), detached; of a `lookup`: row numbers (...).
        output: x @ store^T (..., rows) or the rows (..., cols), as the rest of the model reads it.
    """

    store: str
    role: Literal["product", "lookup"]
    operand: Tensor
    output: Tensor


class UseRecorder(TorchFunctionMode):
    """Within its context, `uses` grows by each F.linear and F.embedding of a parameter or of its copy in another dtype.

    `others` maps stores to the name of a function that read them in another way. Functions that see a parameter only
    below the level of torch functions, such as compiled ones, are not noticed.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._parameters = {id(value): (name, value) for name, value in parameters.items()}
        self._copies: dict[int, tuple[str, Tensor]] = {}  # holds the tensors, so that no id is used twice
        self.uses: list[Use] = []
        self.others: dict[str, str] = {}

    def clear(self) -> None:
        """Forgets the uses, and what they hold, of the batches so far."""
        self.uses.clear()
        self._copies.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        """Runs `func` and notes what it did with parameters."""
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            for place, (store, value) in self._found((*args, *(kwargs or {}).values())):
                self._note(func, place, store, args, result, value)
        return result

    def _found(self, arguments: Iterable[Any]) -> Iterator[tuple[int, tuple[str, Tensor]]]:
        for place, argument in enumerate(arguments):
            for value in argument if isinstance(argument, (list, tuple)) else (argument,):
                found = self._parameters.get(id(value)) or self._copies.get(id(value))
                if found is not None:
                    yield place, found

    def _note(
        self, func: Callable[..., Any], place: int, store: str, args: tuple[Any, ...], result: Tensor, value: Tensor
    ) -> None:
        if func in (Tensor.to, Tensor.float, Tensor.bfloat16, Tensor.half) and place == 0:
            if result is not value:
                self._copies[id(result)] = (store, result)
        elif func is F.linear and place == 1:
            self.uses.append(Use(store, "product", args[0].detach(), result))
        elif func is F.embedding and place == 1:
            self.uses.append(Use(store, "lookup", args[0].detach(), result))
        else:
            self.others.setdefault(store, resolve_name(func) or repr(func))
