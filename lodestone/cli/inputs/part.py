"""What one input of a fit came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import Unreadable
from lodestone.cli.inputs.kind import Kind
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

# Reads the bytes of an image by its digest; None if they are not there.
ReadEncoded = Callable[[str], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The embeddings of one input, in an order that stays.

    Attributes:
        given: The input, for people.
        kind: Of all of its embeddings.
        embeddings: May be gone through again and again.
        labels: One each: what the service is to call them.
        names: One each: what to call them before people.
        left_out: What had no embedding, and why, by name.
        read: Reads the bytes of its images; None if there are no images.
        to_mark: Whether its images are to be marked as seen.
    """

    given: str
    kind: Kind
    embeddings: Collection[Embedding]
    labels: Collection[ImageLabel]
    names: Collection[str]
    left_out: dict[str, Unreadable] = field(default_factory=dict)
    read: ReadEncoded | None = None
    to_mark: bool = False


def require_alike(parts: Sequence[Part]) -> None:
    """Passes parts that can be fitted together.

    Raises:
        CliError: Two of them differ in encoder, precision or dimension.
    """
    if parts:
        require_kind(parts[1:], parts[0].kind, parts[0].given)


def require_kind(parts: Sequence[Part], kind: Kind, whose: str) -> None:
    """Passes parts that can be fitted together with embeddings of a kind.

    Args:
        parts: Any number.
        kind: What they must be of.
        whose: What has that kind, for people.

    Raises:
        CliError: One differs in encoder, precision or dimension.
    """
    for part in parts:
        difference = part.kind.difference(kind)
        if difference:
            raise CliError(
                f"{part.given} is of {difference[0]}, and {whose} of {difference[1]}: "
                "embeddings of one profile are of one encoder, precision and dimension"
            )
