"""The images that a profile was fitted to: what they are called, how they score unseen, and their embeddings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from services.novelty.profile import Taste
from services.novelty.rows import Rows
from services.servicekit.errors import FailedPrecondition, InvalidInput

MAX_NAME_CHARS: Final = 255

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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
        name: At most 255 characters, none of them a control character or a line break; may be empty.

    Raises:
        InvalidInput: One is something else.
    """

    digest: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.digest and _DIGEST.fullmatch(self.digest) is None:
            raise InvalidInput(f"its digest is {self.digest[:80]!r}, not 64 hex digits")
        if len(self.name) > MAX_NAME_CHARS:
            raise InvalidInput(f"its name has {len(self.name)} characters, over {MAX_NAME_CHARS}")
        if _CONTROL.search(self.name):
            raise InvalidInput(f"its name has a control character: {self.name[:80]!r}")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LikedImages:
    """All images that a profile was fitted to, in the order in which they were sent; n of them.

    Attributes:
        embeddings: (n, dimension) of norm 1; of a stored profile they lie on the disk.
        background: (m, dimension), the background sample; m may be 0. On the disk too.
        labels: n of them.
        held_out_log_likelihoods: n of them, nats, each under a mixture fitted without the image. None for one that
            repeats another, and where so many were liked that it took part in every fit.
        originals: n of them: the position of the earlier image that this one repeats; None for one that repeats none.
    """

    embeddings: Rows
    background: Rows
    labels: tuple[ImageLabel, ...]
    held_out_log_likelihoods: tuple[float | None, ...]
    originals: tuple[int | None, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def repeating(self) -> list[int]:
        """The positions of those that repeat an earlier one, ascending."""
        originals = enumerate(self.originals)
        return [position for position, original in originals if original is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a fit gives.

    Attributes:
        taste: What it learned.
        liked: What it learned that from.
    """

    taste: Taste
    liked: LikedImages
