"""What a map shows: a profile's liked images, its background sample, and given embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import numpy as np

from services.novelty.liked_images import LikedImages
from services.novelty.mixture import Embeddings, Floats
from services.novelty.profile import Taste
from services.novelty.rows import Indices

GIVEN_MAX: Final = 1000

_LIKED_MAX: Final = 500
_BACKGROUND_MAX: Final = 500


class MapRole(StrEnum):
    """What a point stands for; the names are those of the contract."""

    LIKED = "LIKED"
    BACKGROUND = "BACKGROUND"
    GIVEN = "GIVEN"


@dataclass(frozen=True, slots=True, eq=False)
class MapRows:
    """n embeddings to draw.

    Attributes:
        embeddings: (n, dimension).
        roles: n of them.
        positions: (n,), the place of each among those of its role, from 0.
        log_likelihoods: (n,), nats; of liked images held-out ones where there are such.
    """

    embeddings: Embeddings
    roles: tuple[MapRole, ...]
    positions: Indices
    log_likelihoods: Floats

    @classmethod
    def of_profile(cls, taste: Taste, liked: LikedImages) -> Self:
        """At most 500 liked images, without those that repeat another one, and 500 of the background, drawn evenly."""
        different = np.delete(np.arange(len(liked)), liked.repeating)
        shown = different[drawn_evenly_of(len(different), _LIKED_MAX)]
        others = drawn_evenly_of(len(liked.background), _BACKGROUND_MAX)
        rows = np.concatenate([liked.embeddings[shown], liked.background[others]])
        log_likelihoods = taste.mixture.quick_log_likelihoods(rows)
        for row, position in enumerate(shown.tolist()):
            held_out = liked.held_out_log_likelihoods[position]
            if held_out is not None:
                log_likelihoods[row] = held_out
        roles = (MapRole.LIKED,) * len(shown) + (MapRole.BACKGROUND,) * len(others)
        return cls(rows, roles, np.concatenate([shown, others]), log_likelihoods)

    def with_given(self, rows: Embeddings, positions: Indices, taste: Taste) -> MapRows:
        """These and (m, dimension) others, at (m,) positions of their list."""
        return MapRows(
            np.concatenate([self.embeddings, rows]),
            self.roles + (MapRole.GIVEN,) * len(rows),
            np.concatenate([self.positions, positions]),
            np.concatenate([self.log_likelihoods, taste.mixture.quick_log_likelihoods(rows)]),
        )


def drawn_evenly_of(count: int, limit: int) -> Indices:
    """Which of `count` stand for all of them: at most `limit` positions, ascending, the first and the last included."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(np.intp)
