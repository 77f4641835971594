"""What one request for a fit sends: images that are liked, a background sample, images to leave out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.novelty.fit.growing_rows import GrowingRows
from services.novelty.fit.liked_set import (
    MIN_LIKED,
    LikedSet,
    Role,
    TooManyImages,
    UnfitEmbedding,
)
from services.novelty.liked_images import ImageLabel
from services.novelty.mixture import Embeddings
from services.novelty.profile import ENCODER_ID_PATTERN
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class RemovedImage:
    """An image to leave out of a refit; it has a digest or an embedding.

    Attributes:
        label: What it is called.
        values: (dimension,) its embedding; None if that was not sent.
    """

    label: ImageLabel
    values: Embeddings | None


@dataclass(frozen=True, slots=True)
class Origin:
    """What made embeddings, and how long they are.

    Attributes:
        encoder_id: 64 hex digits.
        precision: What they were computed in.
        dimension: How many values each has.
    """

    encoder_id: str
    precision: Precision
    dimension: int

    def difference_from(self, other: Origin, whose: str) -> str:
        """What an embedding of this origin has another one than `other`, which is `whose`; empty if nothing."""
        if self.encoder_id != other.encoder_id:
            return f"its encoder id is {self.encoder_id!r}, and {other.encoder_id!r} {whose}"
        if self.precision != other.precision:
            return f"its precision is {self.precision}, and {other.precision} {whose}"
        if self.dimension != other.dimension:
            return f"it has {self.dimension} values, and {other.dimension} {whose}"
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """All that was sent.

    Attributes:
        liked: (n, dimension), in the order in which they came; n may be 0.
        labels: What these are called, n of them.
        background: (m, dimension); m may be 0.
        removed: What to leave out.
        origin: Of all embeddings; None if there are none.
    """

    liked: Embeddings
    labels: tuple[ImageLabel, ...]
    background: Embeddings
    removed: tuple[RemovedImage, ...]
    origin: Origin | None

    def to_liked_set(self) -> LikedSet:
        """What a fit that begins with nothing is given.

        Raises:
            InvalidInput: Fewer than 8 images are liked, or something is to be removed.
        """
        if self.removed:
            raise InvalidInput(
                "there is something to remove, and no base_profile to remove it from"
            )
        if len(self.liked) < MIN_LIKED or self.origin is None:
            raise InvalidInput(
                f"a profile needs {MIN_LIKED} liked images at least, and there are {len(self.liked)}"
            )
        origin = self.origin
        return LikedSet(
            self.liked, self.background, origin.encoder_id, origin.precision, self.labels
        )


class SubmissionBuilder:
    """Collects what one request sends, at most `limit` images in each role."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._origin: Origin | None = None
        self._rows = {Role.LIKED: GrowingRows(), Role.BACKGROUND: GrowingRows()}
        self._labels: list[ImageLabel] = []
        self._removed: list[RemovedImage] = []

    def count(self, role: Role) -> int:
        """How many there are of it so far: the position of the next one."""
        return len(self._removed) if role is Role.REMOVED else len(self._rows[role])

    def add(self, role: Role, embedding: Embedding | None, label: ImageLabel) -> None:
        """Adds an image by its embedding of norm 1; what is to be removed may have a digest alone.

        Raises:
            InvalidInput: The embedding differs from the first one in encoder id, precision or dimension, its encoder
                id is not one, there is neither embedding nor digest, or it is one image too many.
        """
        if embedding is not None:
            self._check_origin(role, embedding)
        elif not label.digest:
            raise UnfitEmbedding(role, self.count(role), "it has neither an embedding nor a digest")
        if self.count(role) == self._limit:
            raise TooManyImages(role, self._limit)
        values = None if embedding is None else embedding.values
        if role is Role.REMOVED:
            self._removed.append(RemovedImage(label, values))
            return
        if values is None:
            raise UnfitEmbedding(role, self.count(role), "it has no embedding")
        self._rows[role].append(values)
        if role is Role.LIKED:
            self._labels.append(label)

    def build(self) -> Submission:
        """Hands over what was collected; nothing is left."""
        dimension = self._origin.dimension if self._origin else 0
        return Submission(
            liked=self._rows[Role.LIKED].take(dimension),
            labels=tuple(self._labels),
            background=self._rows[Role.BACKGROUND].take(dimension),
            removed=tuple(self._removed),
            origin=self._origin,
        )

    def _check_origin(self, role: Role, embedding: Embedding) -> None:
        origin = Origin(embedding.encoder_id, embedding.precision, embedding.values.size)
        first = self._origin or origin
        problem = origin.difference_from(first, "before it")
        if re.fullmatch(ENCODER_ID_PATTERN, embedding.encoder_id) is None:
            problem = f"its encoder id is {embedding.encoder_id[:80]!r}, not 64 hex digits"
        if problem:
            raise UnfitEmbedding(role, self.count(role), problem)
        self._origin = first
