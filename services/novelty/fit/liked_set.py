"""What a fit is given: the options, and the liked and background embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.novelty.fit.threshold_rule import ThresholdRule
from services.novelty.liked_images import ImageLabel
from services.novelty.mixture import MAX_COMPONENTS, Covariance, Embeddings
from services.novelty.profile import ProfileReference, require_name
from services.servicekit.embedding import Precision
from services.servicekit.errors import InvalidInput

MIN_LIKED: Final = 8
DEFAULT_KEEP_RATIO: Final = 0.95

_MAX_REQUEST_ID: Final = 128


class Role(StrEnum):
    """What an image is in a fit."""

    LIKED = "liked"
    BACKGROUND = "background"
    REMOVED = "removed"


class UnfitEmbedding(InvalidInput):
    """An image of a fit cannot be used.

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


class TooManyImages(InvalidInput):
    """A fit was given more images than the service takes.

    Attributes:
        role: Of which there are too many.
        limit: How many of it are taken.
    """

    def __init__(self, role: Role, limit: int) -> None:
        super().__init__(f"a fit takes at most {limit:,} {role} embeddings here")
        self.role = role
        self.limit = limit


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
        base_profile: The profile to begin with, `landscapes@2`; empty to begin with nothing.

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
    base_profile: str = ""

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
        if self.base_profile:
            ProfileReference.parse(self.base_profile)
        _ = self.stated_threshold_rule

    @property
    def stated_threshold_rule(self) -> ThresholdRule:
        """Where the threshold goes, as far as that is said."""
        return ThresholdRule(self.keep_ratio, self.pass_ratio, self.threshold_nats)

    @property
    def threshold_rule(self) -> ThresholdRule:
        """Where the threshold goes: by a keep ratio of 0.95 if nothing is said."""
        stated = self.stated_threshold_rule
        return stated if stated.is_stated else ThresholdRule(DEFAULT_KEEP_RATIO)


@dataclass(frozen=True, slots=True, eq=False)
class LikedSet:
    """The embeddings of a fit, all of one encoder, precision and dimension.

    Attributes:
        liked: (n, dimension), n at least 8.
        background: (m, dimension); m may be 0.
        encoder_id: Of all of them.
        precision: Of all of them.
        labels: What the liked images are called: n of them, or none.
    """

    liked: Embeddings
    background: Embeddings
    encoder_id: str
    precision: Precision
    labels: tuple[ImageLabel, ...] = ()
