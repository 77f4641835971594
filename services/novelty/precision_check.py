"""Whether a profile's verdicts hold for embeddings that were computed in another precision than its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.novelty.mixture import Floats
from services.servicekit.embedding import Precision

MIN_COMPARED: Final = 8
"""How many images a comparison needs: as many as a profile does. Of fewer, none moving proves nothing."""

SHARE_MAX: Final = 0.01
"""The share of verdicts on new liked images that may move; of fewer than 100 held-out ones, one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionCheck:
    """What was found when images were embedded in another precision too.

    Attributes:
        precision: The other precision.
        image_count: How many images were compared, `MIN_COMPARED` or more.
        moved_count: How many of their verdicts moved.
        max_shift_nats: The largest difference of two log-likelihoods, as an absolute value.
        median_shift_nats: The median of these absolute values.
        moved_share: Of held-out liked images, the share whose verdict such a difference moves: the mean over both, 0
            to 1.
        admitted: Whether the profile scores embeddings of this precision: no verdict moved, and no larger share than
            `SHARE_MAX` or one image is expected to.
    """

    precision: Precision
    image_count: int
    moved_count: int
    max_shift_nats: float
    median_shift_nats: float
    moved_share: float
    admitted: bool


def compare_precisions(
    precision: Precision, own: Floats, other: Floats, *, threshold_nats: float, held_out: Floats
) -> PrecisionCheck:
    """Compares what a profile says of the same images in its own precision and in another one.

    The images are liked ones that the mixture was fitted to. It finds them likelier than new ones, in a small profile
    by hundreds of nats, so that their own verdicts hardly ever move. Hence their shifts are also added to the scores of
    held-out images, which is where verdicts on new images lie.

    Args:
        precision: The other precision.
        own: (n,) log-likelihoods in the profile's own precision, nats; n is `MIN_COMPARED` or more.
        other: (n,) log-likelihoods of the same images in the other precision.
        threshold_nats: At or over it an image is accepted.
        held_out: (m,) log-likelihoods of held-out liked images; m over 0.
    """
    moved_count = int(np.count_nonzero((own >= threshold_nats) != (other >= threshold_nats)))
    shifts = other - own
    shifted = held_out[:, np.newaxis] + shifts
    moved = (held_out >= threshold_nats)[:, np.newaxis] != (shifted >= threshold_nats)
    moved_share = float(moved.mean())
    sizes = np.abs(shifts)
    return PrecisionCheck(
        precision=precision,
        image_count=len(own),
        moved_count=moved_count,
        max_shift_nats=float(sizes.max()),
        median_shift_nats=float(np.median(sizes)),
        moved_share=moved_share,
        admitted=not moved_count and moved_share <= max(SHARE_MAX, 1.0 / len(held_out)),
    )
