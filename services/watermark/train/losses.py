"""What a step is to make smaller: errors about tiles, about their places, and about labelled images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from services.watermark.train.network import TileLogits
from services.watermark.train.tiles import UNKNOWN

_PLACES_WEIGHT = 1.0
_MARKED_PLACE_WEIGHT = 3.0


class TensorBatch(NamedTuple):
    """The arrays of a `Batch` as tensors, which go from process to process and to a GPU.

    Attributes:
        pixels: See `Batch`, as the others.
        marked: (n,).
        places: (n, 28, 28).
        images: (n,).
    """

    pixels: torch.Tensor
    marked: torch.Tensor
    places: torch.Tensor
    images: torch.Tensor


def batch_loss(logits: TileLogits, batch: TensorBatch) -> torch.Tensor:
    """The mean cross entropy of tiles and labelled images, plus that of places, which says where to look."""
    marked, images = batch.marked, batch.images
    synthesised = images < 0
    judged, labels = [logits.tile[synthesised]], [marked[synthesised]]
    for number in range(int(images.max()) + 1):
        # Somewhere in a marked image is a mark: the image is as marked as its tiles together.
        judged.append(logits.tile[images == number].logsumexp(0, keepdim=True))
        labels.append(marked[images == number][:1])
    loss = functional.binary_cross_entropy_with_logits(torch.cat(judged), torch.cat(labels))
    return loss + _PLACES_WEIGHT * _place_loss(logits.places, batch.places)


def _place_loss(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    known = places != UNKNOWN
    total = functional.binary_cross_entropy_with_logits(
        logits,
        (places == 1).to(logits.dtype),
        weight=known.to(logits.dtype),
        pos_weight=logits.new_tensor(_MARKED_PLACE_WEIGHT),
        reduction="sum",
    )
    return total / known.sum().clamp(min=1)
