"""What a step is to make smaller: errors about tiles, about their places, and about labelled images."""

from __future__ import annotations

import torch
from torch.nn import functional

from services.watermark.train.batches import Batch
from services.watermark.train.network import TileLogits
from services.watermark.train.tiles import UNKNOWN

_PLACES_WEIGHT = 1.0
_MARKED_PLACE_WEIGHT = 3.0


def batch_loss(logits: TileLogits, batch: Batch) -> torch.Tensor:
    """The mean cross entropy of tiles and labelled images, plus that of places, which says where to look."""
    marked, images = torch.from_numpy(batch.marked), torch.from_numpy(batch.images)
    synthesised = images < 0
    judged, labels = [logits.tile[synthesised]], [marked[synthesised]]
    for number in range(int(images.max()) + 1):
        # Somewhere in a marked image is a mark: the image is as marked as its tiles together.
        judged.append(logits.tile[images == number].logsumexp(0, keepdim=True))
        labels.append(marked[images == number][:1])
    loss = functional.binary_cross_entropy_with_logits(torch.cat(judged), torch.cat(labels))
    return loss + _PLACES_WEIGHT * _place_loss(logits.places, torch.from_numpy(batch.places))


def _place_loss(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    known = places != UNKNOWN
    if not bool(known.any()):
        return logits.new_zeros(())
    return functional.binary_cross_entropy_with_logits(
        logits[known], places[known].float(), pos_weight=torch.tensor(_MARKED_PLACE_WEIGHT)
    )
