"""Trains the upper blocks and the head on tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog
import torch
from torch import nn
from torch.nn import functional

from services.watermark.train.body import Body
from services.watermark.train.network import Head, TileLogits
from services.watermark.train.tiles import UNKNOWN, TrainingTiles

_BODY_RATE = 6e-4
_HEAD_RATE = 3e-3
_WEIGHT_DECAY = 1e-2
_PLACES_WEIGHT = 1.0
_MARKED_PLACE_WEIGHT = 3.0
_LOG_EVERY = 50


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How long and with what to train.

    Attributes:
        epochs: Passes over the tiles.
        batch: Tiles per step.
        seed: Of the order and of the head's first weights.
    """

    epochs: int
    batch: int
    seed: int


def fit_network(body: Body, tiles: TrainingTiles, plan: FitPlan) -> Head:
    """Tunes the body's upper blocks in place and returns the head that goes with them.

    AdamW under a one-cycle schedule (https://arxiv.org/abs/1708.07120); the loss is the cross entropy of the tiles plus
    that of their places, which tells the network where to look.
    """
    torch.manual_seed(plan.seed)
    head = Head()
    for module in (body, head):
        module.to(memory_format=torch.channels_last)
        module.train()
    tuned, fresh = list(body.tuned.parameters()), list(head.parameters())
    groups = [{"params": tuned, "lr": _BODY_RATE}, {"params": fresh, "lr": _HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=_WEIGHT_DECAY)
    steps_per_epoch = len(tiles.marked) // plan.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[_BODY_RATE, _HEAD_RATE],
        total_steps=plan.epochs * steps_per_epoch,
        pct_start=0.15,
    )
    rng = np.random.default_rng(plan.seed)
    for epoch in range(plan.epochs):
        order = rng.permutation(len(tiles.marked))
        losses = []
        for step in range(steps_per_epoch):
            chosen = np.sort(order[step * plan.batch : (step + 1) * plan.batch])
            optimizer.zero_grad(set_to_none=True)
            loss = _batch_loss(body, head, tiles, chosen)
            loss.backward()
            nn.utils.clip_grad_norm_([*tuned, *fresh], 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if step % _LOG_EVERY == _LOG_EVERY - 1:
                mean = float(np.mean(losses[-_LOG_EVERY:]))
                structlog.get_logger().info("training", epoch=epoch, step=step + 1, loss=mean)
    body.eval()
    return head.eval()


def _batch_loss(
    body: Body, head: Head, tiles: TrainingTiles, chosen: npt.NDArray[np.int64]
) -> torch.Tensor:
    features = torch.from_numpy(tiles.features[chosen]).float()
    features = features.contiguous(memory_format=torch.channels_last)
    logits: TileLogits = head(body.late(features))
    marked = torch.from_numpy(tiles.marked[chosen])
    tile_loss = functional.binary_cross_entropy_with_logits(logits.tile, marked)
    places = torch.from_numpy(tiles.places[chosen])
    known = places != UNKNOWN
    place_loss = functional.binary_cross_entropy_with_logits(
        logits.places[known],
        places[known].float(),
        pos_weight=torch.tensor(_MARKED_PLACE_WEIGHT),
    )
    return tile_loss + _PLACES_WEIGHT * place_loss
