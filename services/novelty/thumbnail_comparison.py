"""Compares a profile's thumbnails in its own precision with the same ones in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from services.novelty.mixture import Embeddings
from services.novelty.precision_check import MIN_COMPARED, PrecisionCheck, compare_precisions
from services.novelty.profile import OtherEncoder, Profile
from services.novelty.thumbnails import Thumbnail
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import FailedPrecondition, InvalidInput

SAME_IMAGE_COSINE: Final = 0.9
"""Embeddings of one image in two precisions are at least so near.

Measured with the bundled encoder in fp32 and bf16: 441 photos gave .978 and more; of 60 different landscapes no two
reached .70.
"""


class NotTheThumbnail(InvalidInput):
    """An embedding cannot be that of the thumbnail in its place.

    Attributes:
        index: Its place in the request, from 0.
        problem: What is wrong with it.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"embeddings[{index}]: {problem}")
        self.index = index
        self.problem = problem


class TooFewThumbnails(FailedPrecondition):
    """A profile keeps too few thumbnails to see whether its verdicts hold in another precision.

    Attributes:
        profile: Which one, `landscapes@2`.
        count: How many it keeps.
    """

    def __init__(self, profile: str, count: int) -> None:
        super().__init__(
            f"profile {profile} keeps {count} thumbnails, and {MIN_COMPARED} at least are needed to see whether its "
            "verdicts hold in another precision"
        )
        self.profile = profile
        self.count = count


def other_precision(profile: Profile, embeddings: Sequence[Embedding]) -> Precision:
    """The one precision of embeddings, which is not the profile's.

    Raises:
        OtherEncoder: One is of another encoder.
        InvalidInput: There are none, of several precisions, or of the profile's own.
    """
    if not embeddings:
        raise InvalidInput("there are no embeddings: send one per thumbnail")
    taste = profile.taste
    precision = embeddings[0].precision
    for index, embedding in enumerate(embeddings):
        if embedding.encoder_id != taste.encoder_id:
            found = (embedding.encoder_id, embedding.precision)
            wanted = (taste.encoder_id, taste.precision)
            raise OtherEncoder(str(profile), wanted=wanted, found=found)
        if embedding.precision is not precision:
            problem = f"its precision is {embedding.precision}, and {precision} before it"
            raise NotTheThumbnail(index, problem)
    if precision is taste.precision:
        raise InvalidInput(f"profile {profile} was fitted in {precision}: there is nothing to see")
    return precision


def compare_thumbnails(
    profile: Profile, thumbnails: Sequence[Thumbnail], embeddings: Sequence[Embedding]
) -> PrecisionCheck:
    """Sees whether verdicts on the thumbnails hold in the precision of other embeddings of them.

    Args:
        profile: Whose verdicts.
        thumbnails: All of the profile's.
        embeddings: One of each thumbnail, in their order; of the profile's encoder and one other precision.

    Raises:
        TooFewThumbnails: There are fewer than 8.
        NotTheThumbnail: An embedding has another dimension, or is of another image.
        InvalidInput: There are more or fewer embeddings than thumbnails.
    """
    if len(thumbnails) < MIN_COMPARED:
        raise TooFewThumbnails(str(profile), len(thumbnails))
    if len(embeddings) != len(thumbnails):
        raise InvalidInput(
            f"{len(embeddings)} embeddings, and profile {profile} has {len(thumbnails)} thumbnails: send one of each"
        )
    own = np.stack([thumbnail.embedding for thumbnail in thumbnails])
    other = _rows_of_the_same(own, embeddings)
    taste = profile.taste
    return compare_precisions(
        embeddings[0].precision,
        taste.mixture.quick_log_likelihoods(own),
        taste.mixture.quick_log_likelihoods(other),
        threshold_nats=taste.threshold_nats,
        held_out=taste.held_out_log_likelihoods,
    )


def _rows_of_the_same(own: Embeddings, embeddings: Sequence[Embedding]) -> Embeddings:
    for index, (row, embedding) in enumerate(zip(own, embeddings, strict=True)):
        if embedding.values.shape != row.shape:
            problem = f"it has {embedding.values.size} values, and its thumbnail's has {row.size}"
            raise NotTheThumbnail(index, problem)
        cosine = float(embedding.values @ row)
        if not cosine >= SAME_IMAGE_COSINE:
            problem = f"its cosine similarity to the thumbnail's own is {cosine:.2f}: it is of another image"
            raise NotTheThumbnail(index, problem)
    return np.stack([embedding.values for embedding in embeddings])
