"""A refit: the images of a profile, without what is removed, with what is added."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from services.novelty.fit.duplicates import NEAR_DUPLICATE_COSINE
from services.novelty.fit.liked_set import MIN_LIKED, FitOptions, LikedSet, Role, TooManyImages
from services.novelty.fit.submission import Origin, RemovedImage, Submission
from services.novelty.fit.threshold_rule import ThresholdRule
from services.novelty.liked_images import ImageLabel, LikedImages
from services.novelty.mixture import Embeddings
from services.novelty.profile import Profile, Taste
from services.novelty.rows import Rows
from services.servicekit.errors import InvalidInput

REMOVED_BY_EMBEDDING: Final = 5000

_ROWS_AT_ONCE: Final = 4096

Indices = npt.NDArray[np.intp]


class NotInProfile(InvalidInput):
    """Something is to be removed that a profile was not fitted to.

    Attributes:
        profile: Which one, `landscapes@2`.
        position: The place among what is to be removed, from 0.
        label: What that is called.
    """

    def __init__(self, profile: str, position: int, label: ImageLabel) -> None:
        called = repr(label.name) if label.name else label.digest or "an image without a name"
        super().__init__(
            f"{Role.REMOVED}[{position}]: {called} is not among the images of {profile}"
        )
        self.profile = profile
        self.position = position
        self.label = label


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """What to fit again.

    Attributes:
        liked_set: The images that stay, in their order, then those that were added.
        kept: (k,) the places that those that stay had in the profile, ascending.
    """

    liked_set: LikedSet
    kept: Indices


def refit(base: Profile, liked: LikedImages, sent: Submission, *, max_liked: int) -> Refit:
    """Combines the images of a profile with what a request sends.

    Args:
        base: The profile.
        liked: What it was fitted to.
        sent: What to add and to leave out. A background sample takes the place of the profile's.
        max_liked: How many images may be liked then.

    Raises:
        NotInProfile: Something to remove is not there.
        TooManyImages: More would be liked than may be.
        InvalidInput: Embeddings of another encoder, precision or dimension than the profile's; too many to remove by
            embedding.
    """
    taste = base.taste
    own = Origin(taste.encoder_id, taste.precision, taste.mixture.dimension)
    if sent.origin is not None and sent.origin != own:
        problem = sent.origin.difference_from(own, f"in profile {base}")
        raise InvalidInput(f"an embedding cannot join the others: {problem}")
    stays = np.ones(len(liked), bool)
    for position, found in enumerate(_find(liked, sent.removed)):
        if not found.size:
            raise NotInProfile(str(base), position, sent.removed[position].label)
        stays[found] = False
    kept = np.flatnonzero(stays)
    count = len(kept) + len(sent.liked)
    if count < MIN_LIKED:
        raise InvalidInput(
            f"a profile needs {MIN_LIKED} liked images at least, and {count} are left of {base}"
        )
    if count > max_liked:
        raise TooManyImages(Role.LIKED, max_liked)
    labels = tuple(liked.labels[position] for position in kept) + sent.labels
    liked_set = LikedSet(
        _joined(liked.embeddings, kept, sent.liked),
        sent.background if len(sent.background) else liked.background[:],
        own.encoder_id,
        own.precision,
        labels,
    )
    return Refit(liked_set, kept)


def inherited(options: FitOptions, taste: Taste) -> FitOptions:
    """The options, where they are not set those that a taste was asked for."""
    rule = options.stated_threshold_rule
    if not rule.is_stated:
        rule = ThresholdRule.of(taste)
    return replace(
        options,
        component_count=options.component_count or taste.asked_component_count,
        covariance=options.covariance or taste.asked_covariance,
        keep_ratio=rule.keep_ratio,
        pass_ratio=rule.pass_ratio,
        threshold_nats=rule.threshold_nats,
        seed=options.seed or taste.seed,
    )


def _joined(rows: Rows, kept: Indices, added: Embeddings) -> Embeddings:
    joined = np.empty((len(kept) + len(added), rows.shape[1]), np.float32)
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = kept[start : start + _ROWS_AT_ONCE]
        joined[start : start + len(part)] = rows[part]
    if len(added):
        joined[len(kept) :] = added
    return joined


def _find(liked: LikedImages, removed: tuple[RemovedImage, ...]) -> list[Indices]:
    """The places of each image to remove: by its digest, or by its embedding where one of the two has no digest."""
    digests: dict[str, list[int]] = {}
    for position, label in enumerate(liked.labels):
        digests.setdefault(label.digest, []).append(position)
    unnamed = digests.pop("", [])
    found = [np.array(digests.get(one.label.digest, []), np.intp) for one in removed]
    sought = [
        place
        for place, one in enumerate(removed)
        if not found[place].size and one.values is not None
    ]
    if len(sought) > REMOVED_BY_EMBEDDING:
        raise InvalidInput(
            f"{len(sought):,} images to remove have no digest that is known here; at most "
            f"{REMOVED_BY_EMBEDDING:,} are looked for by their embeddings"
        )
    may_match = np.zeros(len(liked), bool)
    may_match[unnamed] = True
    for place, near in _near(liked, [removed[place] for place in sought], may_match):
        found[sought[place]] = near
    return found


def _near(
    liked: LikedImages, removed: list[RemovedImage], unnamed: npt.NDArray[np.bool_]
) -> Iterator[tuple[int, Indices]]:
    """The liked images that are the same picture as each; two that have digests are not compared."""
    if not removed:
        return
    sought = np.stack([one.values for one in removed if one.values is not None])
    compares = np.array([not one.label.digest for one in removed])
    pairs = []
    for start in range(0, len(liked), _ROWS_AT_ONCE):
        end = start + _ROWS_AT_ONCE
        near = liked.embeddings[start:end] @ sought.T >= NEAR_DUPLICATE_COSINE
        near &= unnamed[start:end, np.newaxis] | compares
        pairs.append(np.argwhere(near) + np.array([start, 0]))
    places, numbers = np.concatenate(pairs).T
    for number in range(len(removed)):
        yield number, places[numbers == number]
