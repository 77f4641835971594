"""Digests of which a person gives the first digits."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select, union

from services.crawler.catalogue.schema import images, purged_images, replaced_images
from services.servicekit.errors import InvalidInput, NotFound

_DIGITS = 64
# Between two digests, so that the indexes find it.
_BEGINNING = union(
    *(
        select(table.c.digest).where(
            table.c.digest >= bindparam("first"), table.c.digest < bindparam("behind")
        )
        for table in (images, replaced_images, purged_images)
    )
).limit(2)


class AmbiguousDigest(InvalidInput):
    """The beginnings of several images' digests are the same.

    Attributes:
        prefix: The hex digits that were given.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__(f"more than one image's digest begins with {prefix}: give more digits")
        self.prefix = prefix


def between(prefix: str) -> tuple[str, str]:
    """What every digest that begins so is at or above, and what it is below."""
    # `g` comes after every hex digit.
    return prefix, prefix + "g"


def whole_digests(connection: Connection, prefixes: Iterable[str]) -> tuple[str, ...]:
    """Returns the digests that are given whole or begin so: of images that are or were kept, replaced and purged too.

    Raises:
        NotFound: No image's digest begins so.
        AmbiguousDigest: Several do.
    """
    return tuple(
        prefix if len(prefix) == _DIGITS else _whole(connection, prefix) for prefix in prefixes
    )


def _whole(connection: Connection, prefix: str) -> str:
    first, behind = between(prefix)
    found = connection.scalars(_BEGINNING, {"first": first, "behind": behind}).all()
    if not found:
        kind = "kept image"
        raise NotFound(kind, prefix)
    if len(found) > 1:
        raise AmbiguousDigest(prefix)
    return str(found[0])
