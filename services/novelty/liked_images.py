"""The images that a profile was fitted to: what they are called, how they score unseen, and their embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from services.novelty.mixture import Embeddings
from services.servicekit.errors import FailedPrecondition


class NoLikedImages(FailedPrecondition):
    """A profile was fitted before profiles kept their liked images.

    Attributes:
        profile: Which one, `landscapes@2`.
    """

    def __init__(self, profile: str) -> None:
        super().__init__(
            f"profile {profile} was fitted before profiles kept their liked images: fit it again"
        )
        self.profile = profile


@dataclass(frozen=True, slots=True)
class ImageLabel:
    """What a client calls an image.

    Attributes:
        digest: The SHA-256 of its bytes, 64 hex digits; empty if they were not at hand.
        name: At most 255 characters; may be empty.
    """

    digest: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LikedImages:
    """All images that a profile was fitted to, in the order in which they were sent; n of them.

    Attributes:
        embeddings: (n, dimension) of norm 1; of a stored profile mapped from the disk, read only.
        background: (m, dimension), the background sample; m may be 0. Mapped too.
        labels: n of them.
        held_out_log_likelihoods: n of them, nats, each under a mixture fitted without the image. None for one that
            repeats another, and where so many were liked that it took part in every fit.
        originals: n of them: the position of the earlier image that this one repeats; None for one that repeats none.
    """

    embeddings: Embeddings
    background: Embeddings
    labels: tuple[ImageLabel, ...]
    held_out_log_likelihoods: tuple[float | None, ...]
    originals: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.labels)
