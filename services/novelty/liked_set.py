"""What a fit is given: the options, and the liked and background embeddings, checked as they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final

import numpy as np

from services.novelty.mixture import Covariance, Embeddings
from services.novelty.profile import ENCODER_ID_PATTERN, require_name
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import InvalidInput

MIN_LIKED: Final = 8
MAX_COMPONENTS: Final = 256
DEFAULT_KEEP_RATIO: Final = 0.95

_MAX_REQUEST_ID: Final = 128


class Role(StrEnum):
    """What an embedding is in a fit."""

    LIKED = "liked"
    BACKGROUND = "background"


class UnfitEmbedding(InvalidInput):
    """An embedding of a fit cannot be used.

    Attributes:
        role: Which list it is in.
        position: Its place there, from 0.
        problem: What is wrong with it.
    """

    def __init__(self, role: Role, position: int, problem: str) -> None:
        super().__init__(f"{role}[{position}]: {problem}")
        self.role = role
        self.position = position
        self.problem = problem


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit a profile; the ranges are checked when it is made.

    Attributes:
        request_id: 1 to 128 characters; the same id again means the same profile.
        name: The profile's name.
        component_count: 1 to 256; 0 chooses by held-out likelihood.
        covariance: The form of the covariances; None chooses by held-out likelihood.
        keep_ratio: The share of liked images that must pass, in (0, 1]; None is 0.95, unless one of the next is set.
        pass_ratio: The share of the background sample that may pass, in (0, 1], in place of a keep ratio.
        threshold_nats: The threshold itself, in place of both.
        seed: Of every random choice.

    Raises:
        InvalidInput: One is out of its range, or two say where the threshold goes.
    """

    request_id: str
    name: str
    component_count: int = 0
    covariance: Covariance | None = None
    keep_ratio: float | None = None
    pass_ratio: float | None = None
    threshold_nats: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.request_id) <= _MAX_REQUEST_ID:
            raise InvalidInput(
                f"request_id has {len(self.request_id)} characters, not 1 to {_MAX_REQUEST_ID}"
            )
        require_name(self.name)
        if not 0 <= self.component_count <= MAX_COMPONENTS:
            raise InvalidInput(
                f"component_count is {self.component_count}, not 1 to {MAX_COMPONENTS}, or 0 to choose"
            )
        _require_one_threshold(self)

    @property
    def wanted_keep_ratio(self) -> float | None:
        """The keep ratio with its default; None if the threshold is set in another way."""
        if self.pass_ratio is None and self.threshold_nats is None:
            return DEFAULT_KEEP_RATIO if self.keep_ratio is None else self.keep_ratio
        return None


def _require_one_threshold(options: FitOptions) -> None:
    ratios = {"keep_ratio": options.keep_ratio, "pass_ratio": options.pass_ratio}
    for name, ratio in ratios.items():
        if ratio is not None and not (isfinite(ratio) and 0.0 < ratio <= 1.0):
            raise InvalidInput(f"{name} is {ratio:g}, not over 0 and up to 1")
    ways = ratios | {"threshold_nats": options.threshold_nats}
    if options.threshold_nats is not None and not isfinite(options.threshold_nats):
        raise InvalidInput(f"threshold_nats is {options.threshold_nats:g}, not a finite number")
    stated = [name for name, value in ways.items() if value is not None]
    if len(stated) > 1:
        raise InvalidInput(
            f"{' and '.join(stated)} are set: one of them says where the threshold goes"
        )


@dataclass(frozen=True, slots=True, eq=False)
class LikedSet:
    """The embeddings of a fit, all of one encoder, precision and dimension.

    Attributes:
        liked: (n, dimension), n at least 8.
        background: (m, dimension); m may be 0.
        encoder_id: Of all of them.
        precision: Of all of them.
    """

    liked: Embeddings
    background: Embeddings
    encoder_id: str
    precision: Precision


class LikedSetBuilder:
    """Collects the embeddings of one fit, at most `limit` in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first: Embedding | None = None
        self._values: dict[Role, list[Embeddings]] = {Role.LIKED: [], Role.BACKGROUND: []}

    def count(self, role: Role) -> int:
        """How many there are of it so far: the position of the next one."""
        return len(self._values[role])

    def add(self, role: Role, embedding: Embedding) -> None:
        """Adds an embedding of norm 1.

        Raises:
            InvalidInput: It differs from the first one in encoder id, precision or dimension, its encoder id
                is not one, or it is one too many.
        """
        first = self._first or embedding
        problem = _difference(embedding, first)
        if problem:
            raise UnfitEmbedding(role, self.count(role), problem)
        if sum(len(values) for values in self._values.values()) == self._limit:
            raise InvalidInput(f"a fit takes at most {self._limit:,} embeddings here")
        self._first = first
        self._values[role].append(embedding.values)

    def build(self) -> LikedSet:
        """Returns what was collected.

        Raises:
            InvalidInput: Fewer than 8 liked embeddings came.
        """
        liked = self._values[Role.LIKED]
        if len(liked) < MIN_LIKED or self._first is None:
            raise InvalidInput(
                f"a profile needs {MIN_LIKED} liked images at least, and there are {len(liked)}"
            )
        first = self._first
        return LikedSet(
            np.stack(liked),
            np.array(self._values[Role.BACKGROUND], np.float32).reshape(-1, first.values.size),
            first.encoder_id,
            first.precision,
        )


def _difference(embedding: Embedding, first: Embedding) -> str:
    if re.fullmatch(ENCODER_ID_PATTERN, embedding.encoder_id) is None:
        return f"its encoder id is {embedding.encoder_id[:80]!r}, not 64 hex digits"
    if embedding.encoder_id != first.encoder_id:
        return f"its encoder id is {embedding.encoder_id!r}, and {first.encoder_id!r} before it"
    if embedding.precision != first.precision:
        return f"its precision is {embedding.precision}, and {first.precision} before it"
    if embedding.values.size != first.values.size:
        return f"it has {embedding.values.size} values, and {first.values.size} before it"
    return ""
