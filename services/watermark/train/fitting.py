"""Trains the network step by step, and writes down where it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from services.watermark.train.batches import BatchSource
from services.watermark.train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    not_of_this_training,
    save_checkpoint,
)
from services.watermark.train.drawing_processes import drawers_watched, drawn_batches
from services.watermark.train.losses import TensorBatch, batch_loss
from services.watermark.train.network import TileLogits, TileNetwork
from services.watermark.train.states import fits_network, fits_optimizer

HeldOut = Callable[[TileNetwork], dict[str, float]]
"""Measures the network on what it is not trained on."""

Progress = Callable[[list[dict[str, float]]], None]
"""Is shown the points of the curves so far."""

Stepped = Callable[[int, float], None]
"""Is told after each step how many are done, and the loss of this one."""

_EARLY_RATE = 1.5e-4
_BODY_RATE = 5e-4
_HEAD_RATE = 2e-3
_WEIGHT_DECAY = 1e-2
_WARM_UP_STEPS = 100
_LAST_RATE = 0.02


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How long and how often.

    Attributes:
        steps: Batches to train on.
        measure_every: Steps between two points of the curves.
        save_every: Steps between two checkpoints.
        workers: Processes that synthesise; 0 synthesises between the steps.
        device: What computes, in torch's words: `cpu` or `cuda`.
        unfreeze: Whether the early blocks are trained too.
        precision: Of the activations: `fp32` or `bf16`. Weights and what is written are fp32.
    """

    steps: int
    measure_every: int = 500
    save_every: int = 100
    workers: int = 1
    device: str = "cpu"
    unfreeze: bool = False
    precision: str = "fp32"


@dataclass(slots=True)
class Fitting:
    """A training that can be interrupted between any two steps.

    Attributes:
        network: What is trained.
        source: What it is trained on.
        plan: How long.
        folder: Where its checkpoint is.
        identity: What a checkpoint must have been started with to go on from.
        step: Steps done.
        history: The points of the curves.
        losses: Of the steps since the last point.
    """

    network: TileNetwork
    source: BatchSource
    plan: FitPlan
    folder: Path
    identity: dict[str, Any]
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    _optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.network.to(device=self.plan.device, memory_format=torch.channels_last)
        body, head = self.network.body, self.network.head
        body.early.requires_grad_(self.plan.unfreeze)
        parts = [(body.fine, _BODY_RATE), (body.coarse, _BODY_RATE), (head, _HEAD_RATE)]
        if self.plan.unfreeze:
            parts.insert(0, (body.early, _EARLY_RATE))
        groups = [{"params": list(part.parameters()), "peak": rate} for part, rate in parts]
        self._optimizer = torch.optim.AdamW(groups, weight_decay=_WEIGHT_DECAY)

    def resume(self) -> None:
        """Goes back to the folder's checkpoint.

        Raises:
            Misconfigured: There is none that fits.
        """
        checkpoint = load_checkpoint(self.folder, self.identity)
        if not (
            0 < checkpoint.step <= self.plan.steps
            and fits_network(checkpoint.network, self.network)
            and fits_optimizer(checkpoint.optimizer, self._optimizer)
        ):
            raise not_of_this_training(self.folder)
        self.network.load_state_dict(checkpoint.network)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        self.step, self.losses = checkpoint.step, checkpoint.losses
        # Points of another variant do not lie on this one's curves.
        same = checkpoint.plan == self.identity
        self.history = checkpoint.history if same else checkpoint.history[-1:]

    def run(
        self, held_out: HeldOut, progress: Progress, stepped: Stepped = lambda _step, _loss: None
    ) -> None:
        """Trains to the last step; leaves a checkpoint now and then, and after the last.

        Where no step is left, the last point is measured anew: the variant may be another one.

        Raises:
            PhotoLost: A photo is not what it was when the training began.
            DrawerLost: A process that draws marks was ended.
            FileNotWritten: The disk is full, for example.
        """
        if self.step == self.plan.steps and self.history:
            self._measure(self.history.pop()["loss"], held_out)
            progress(self.history)
        self.network.train()
        with drawers_watched():
            self._take_steps(held_out, progress, stepped)
        self.network.eval()

    def _take_steps(self, held_out: HeldOut, progress: Progress, stepped: Stepped) -> None:
        steps, pinned = range(self.step, self.plan.steps), self.plan.device != "cpu"
        for batch in drawn_batches(self.source, steps, self.plan.workers, pinned=pinned):
            self.losses.append(self._train_on(batch))
            self.step += 1
            stepped(self.step, self.losses[-1])
            last = self.step == self.plan.steps
            if self.step % self.plan.measure_every == 0 or last:
                self._measure(sum(self.losses) / len(self.losses), held_out)
                self.losses = []
                progress(self.history)
            if self.step % self.plan.save_every == 0 or last:
                self._save()

    def _train_on(self, batch: TensorBatch) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * rate_share(self.step, self.plan.steps)
        self._optimizer.zero_grad(set_to_none=True)
        batch = TensorBatch(*(tensor.to(self.plan.device, non_blocking=True) for tensor in batch))
        bf16 = self.plan.precision == "bf16"
        with torch.autocast(self.plan.device, torch.bfloat16, enabled=bf16):
            logits = self.network(batch.pixels)
        loss = batch_loss(TileLogits(*(part.float() for part in logits)), batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.item())

    def _measure(self, loss: float, held_out: HeldOut) -> None:
        """Adds a point. No clock is in it: an interrupted training has the same points."""
        self.network.eval()
        point = {"step": float(self.step), "loss": loss, **held_out(self.network)}
        self.network.train()
        self.history.append(point)

    def _save(self) -> None:
        save_checkpoint(
            Checkpoint(
                plan=self.identity,
                step=self.step,
                network=self.network.state_dict(),
                optimizer=self._optimizer.state_dict(),
                history=self.history,
                losses=self.losses,
            ),
            self.folder,
        )


def rate_share(step: int, steps: int) -> float:
    """The learning rate's share of its peak at a step: up a line for 100 steps, then down a cosine."""
    warm_up = min((step + 1) / _WARM_UP_STEPS, 1.0)
    falling = (1 + math.cos(math.pi * step / steps)) / 2
    return warm_up * (_LAST_RATE + (1 - _LAST_RATE) * falling)
