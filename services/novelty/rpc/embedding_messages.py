"""Embedding messages of one request as the rows of one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lodestone.image.v1 import embedding_pb2
from services.novelty.mixture import Embeddings, Floats
from services.novelty.profile import Profile
from services.servicekit.errors import ItemRejected
from services.servicekit.messages import (
    NORM_TOLERANCE,
    embedding_from_message,
    precision_to_message,
)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingRows:
    """What a profile can score of some messages, and what it cannot.

    Attributes:
        rows: (len(messages) - len(rejections), dimension), the good ones in their order.
        rejections: Why the others have no score, by their position in the request.
    """

    rows: Embeddings
    rejections: dict[int, ItemRejected]

    @classmethod
    def read(cls, messages: Sequence[embedding_pb2.Embedding], profile: Profile) -> EmbeddingRows:
        """Reads and checks the embeddings, all norms in one computation.

        Raises:
            OtherEncoder: One is of another encoder than the profile's.
            OtherPrecision: One is of a precision that was not admitted.
        """
        rows = _copy_values(messages, profile)
        rejections: dict[int, ItemRejected] = {}
        # What is not as it should be is read again alone, which says what is wrong with it.
        for position in np.flatnonzero(~(np.abs(_norms(rows) - 1.0) <= NORM_TOLERANCE)).tolist():
            try:
                embedding = embedding_from_message(messages[position])
                rows[position] = profile.require_comparable(embedding)
            except ItemRejected as error:
                rejections[position] = error
        good = np.delete(rows, list(rejections), axis=0) if rejections else rows
        return cls(good, rejections)


def _copy_values(messages: Sequence[embedding_pb2.Embedding], profile: Profile) -> Embeddings:
    """(len(messages), dimension): zeros where encoder id, precision or dimension are not what the profile scores."""
    encoder_id, dimension = profile.taste.encoder_id, profile.taste.mixture.dimension
    precisions = set(map(precision_to_message, profile.precisions))
    rows = np.zeros((len(messages), dimension), np.float32)
    for row, message in zip(rows, messages, strict=True):
        values = message.values
        is_scored = message.encoder_id == encoder_id and message.precision in precisions
        if is_scored and len(values) == dimension:
            row[:] = values
    return rows


def _norms(rows: Embeddings) -> Floats:
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64)))
