"""The check that a step's mode and the gradients it produced agree with the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from ...compiler.plan import PlannedStore


class LivenessError(RuntimeError):
    """The module trains other stores than the plan says. Published runs had gates that no gradient ever reached."""


def check_gradients(
    stores: Sequence[PlannedStore],
    parameters: Mapping[str, nn.Parameter],
    mode: str,
    *,
    exported_only: bool = False,
) -> None:
    """Require a gradient on exactly the stores that `mode` reaches with one and some optimizer trains.

    With `exported_only` the step's loss was computed from the logits, which stores of training alone have no part in,
    and which need not reach every other one: some are reached through the further losses of training alone.

    Raises:
        LivenessError: names the first store, in plan order, that breaks this.
    """
    for store in stores:
        reached = parameters[store.name].grad is not None
        expected = store.trainable and mode in store.gradient_modes and (store.exported or not exported_only)
        if reached == expected or (expected and exported_only):
            continue
        if reached and not store.trainable:
            raise LivenessError(f"store {store.name} got a gradient, and its group is {store.group}: never trained")
        if reached:
            raise LivenessError(
                f"store {store.name} got a gradient in mode {mode}, in which the plan says none reaches it"
            )
        raise LivenessError(
            f"store {store.name} is trained by mode {mode} but no gradient reached it; "
            "something between it and the loss is detached"
        )
