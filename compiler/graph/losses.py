"""The output side: final norm, logits, the loss; and the further losses of a mode's training variant."""

from __future__ import annotations

from typing import Any

from ..spec.architecture import Architecture
from .builder import GraphBuilder, make_site
from .frame import Frame
from .model import Port, Site, YamlPath
from .modes import base_mode


class LossBuilder:
    """Collects the losses of one mode. Only the training variant has sites for those that only training knows."""

    def __init__(self, builder: GraphBuilder, architecture: Architecture, targets: Port, *, training: bool) -> None:
        self.builder, self.model, self.targets, self.training = builder, architecture.model, targets, training
        self.mode = base_mode(builder.mode)
        self.stages = {stage.name: stage for stage in architecture.stages}
        self.weighted: list[tuple[float, Port | None]] = []
        self.learned: list[tuple[str, int, Port | None]] = []  # stage, loop, loss

    def after_loop(self, stream: Port, loop: int, frame: Frame) -> None:
        """The auxiliary loss after a loop that is not the stage's last."""
        auxiliary = frame.stage.auxiliary_loss
        if auxiliary is None or not frame.has("auxiliary_loss"):
            return
        port = None
        if self.training:
            origin: YamlPath = ("graph", frame.number, "auxiliary_loss")
            port = self._loss(self._logits(stream, f"{frame.prefix}/loop.{loop}/auxiliary", origin), origin)
        if auxiliary.kind == "fixed":
            assert auxiliary.weights is not None
            self.weighted.append((auxiliary.weights[loop], port))
        else:
            self.learned.append((frame.stage.name, loop, port))

    def finish(self, stream: Port) -> bool:
        """Adds the output; tells whether training has further losses."""
        origin: YamlPath = ("model", "head")
        normed = self._norm("output/norm", stream, origin)
        site = make_site("output/head", "head", origin=origin, softcap=self.model.head.softcap)
        logits = self.builder.site(site, {"x": normed}, {"weight": self._head()})
        loss = self.builder.site(self._own_loss(), {"logits": logits, "targets": self.targets})
        self._look_ahead(normed)
        if self.training:
            self._total(loss)
        return bool(self.weighted or self.learned or self._own_terms())

    def _own_loss(self) -> Site:
        """The model's own loss; smoothed labels and the z-loss are for training steps."""
        terms = self._own_terms()
        if not (self.training and terms):
            return make_site("output/loss", "cross_entropy", origin=("model", "head"))
        penalized = "z_loss" in terms
        origin: YamlPath = ("train", "penalties", "z_loss") if penalized else ("train", "label_smoothing")
        site_id = "output/penalized_loss" if penalized else "output/smoothed_loss"
        return make_site(site_id, "cross_entropy", origin=origin, **terms)

    def _own_terms(self) -> dict[str, Any]:
        """What training changes in the model's own loss."""
        head = self.model.head
        terms = {"label_smoothing": head.label_smoothing, "z_loss": head.z_loss}
        return {name: value for name, value in terms.items() if value}

    def _total(self, loss: Port) -> None:
        if self.learned:
            name = self.learned[0][0]
            firings = (self.stages[name].loops - 1, *(loop for _, loop, _ in self.learned))
            origin: YamlPath = ("graph",)
            site_id = f"output/{self.mode}/learned_loss"
            site = make_site(site_id, "learned_weighted_loss", origin=origin, firings=firings)
            inputs = _ports(loss, [port for *_, port in self.learned])
            loss = self.builder.site(site, inputs, {"weights": f"stages.{name}.loss_weight"})
        if self.weighted:
            weights = tuple(weight for weight, _ in self.weighted)
            site = make_site(f"output/{self.mode}/training_loss", "weighted_loss", weights=weights)
            self.builder.site(site, _ports(loss, [port for _, port in self.weighted]))

    def _look_ahead(self, normed: Port) -> None:
        multi = self.model.multi_token
        for index in range(0 if multi is None else multi.heads):
            assert multi is not None
            port = None
            if self.training:
                site = make_site(
                    f"output/multi_token.{index}",
                    "multi_token_loss",
                    origin=("model", "multi_token"),
                    offset=index + 1,
                    softcap=self.model.head.softcap,
                )
                inputs = {"x": normed, "targets": self.targets}
                port = self.builder.site(site, inputs, {"weight": f"multi_token_head.{index}"})
            self.weighted.append((multi.weight / multi.heads, port))

    def _logits(self, stream: Port, prefix: str, origin: YamlPath) -> tuple[str, Port]:
        normed = self._norm(f"{prefix}_norm", stream, origin)
        site = make_site(f"{prefix}_head", "head", origin=origin, softcap=self.model.head.softcap)
        return prefix, self.builder.site(site, {"x": normed}, {"weight": self._head()})

    def _loss(self, logits: tuple[str, Port], origin: YamlPath) -> Port:
        prefix, port = logits
        site = make_site(f"{prefix}_loss", "cross_entropy", origin=origin)
        return self.builder.site(site, {"logits": port, "targets": self.targets})

    def _norm(self, site_id: str, stream: Port, origin: YamlPath) -> Port:
        site = make_site(site_id, "rms_norm", origin=origin, eps=self.model.norm_eps, scale=1.0)
        return self.builder.site(site, {"x": stream})

    def _head(self) -> str:
        return "token_embedding.weight" if self.model.embedding.tied else "head.weight"


def _ports(first: Port, others: list[Port | None]) -> dict[str, Port]:
    return {"loss": first} | {f"input{i}": port for i, port in enumerate(others, start=1) if port is not None}
