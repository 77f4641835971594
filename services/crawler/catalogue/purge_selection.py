"""What a purge names: by digests, and by listings that gave the bytes once, whatever they give now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select, union

from services.crawler.catalogue.digest_prefixes import whole_digests
from services.crawler.catalogue.schema import (
    images,
    kept_images,
    listings,
    purged_images,
    replaced_images,
)


@dataclass(frozen=True, slots=True)
class PurgeSelection:
    """Which images to purge: those that match everything that is set, or that took the place of one that does.

    Attributes:
        digests: SHA-256, 64 hex digits each, or the first 8 or more of one.
        url: The address as listed or after redirects, or of the page.
        source: The source that listed it.
        host: The host of the address.
        author: The author whom the source named.
    """

    digests: tuple[str, ...] = ()
    url: str = ""
    source: str = ""
    host: str = ""
    author: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing, which would be everything."""
        return self == PurgeSelection()


def matching(connection: Connection, selection: PurgeSelection) -> Select[Any]:
    """The digests that a selection names, of images that are or were kept among others; `digest` is the column.

    Raises:
        NotFound: No image's digest begins so.
        AmbiguousDigest: Several do.
    """
    named = _listed(selection) if _says_of_listings(selection) else _stored()
    if selection.digests:
        digests = whole_digests(connection, selection.digests)
        named = [one.where(one.selected_columns.digest.in_(digests)) for one in named]
    found = union(*named).subquery()
    return select(found.c.digest)


def successors(matching: Select[Any]) -> Select[Any]:
    """What took the place of images, and what took the place of that, and so on."""
    replaced_by = replaced_images.c.replaced_by_digest.label("digest")
    first = select(replaced_by).where(replaced_images.c.digest.in_(matching))
    found = first.cte("successors", recursive=True)
    found = found.union(select(replaced_by).where(replaced_images.c.digest == found.c.digest))
    return select(found.c.digest)


def _says_of_listings(selection: PurgeSelection) -> bool:
    return any((selection.url, selection.source, selection.host, selection.author))


def _of_listing(
    selection: PurgeSelection, *redirects: ColumnElement[str]
) -> list[ColumnElement[bool]]:
    """What must be true of a listing, and of where redirects led when the bytes came that are meant."""
    chosen: list[ColumnElement[bool]] = []
    if selection.url:
        places = (listings.c.url, listings.c.page_url, *redirects)
        chosen.append(or_(*(place == selection.url for place in places)))
    for column, value in (
        (listings.c.source, selection.source),
        (listings.c.host, selection.host),
        (listings.c.author, selection.author),
    ):
        if value:
            chosen.append(column == value)
    return chosen


def _listed(selection: PurgeSelection) -> list[Select[Any]]:
    """By the listings that have the bytes, and those that an image was kept for: these may have other bytes by now.

    Where redirects of such a listing lead today says nothing of the image: hosts lead all that is gone to one picture.
    """
    shown = select(listings.c.digest).where(*_of_listing(selection, listings.c.final_url))
    first, again = (
        select(table.c.digest).join(listings, listings.c.listing_id == table.c.listing_id)
        for table in (images, kept_images)
    )
    return [
        shown,
        first.where(*_of_listing(selection, images.c.final_url)),
        again.where(*_of_listing(selection)),
    ]


def _stored() -> list[Select[Any]]:
    """Whatever listings say: nothing may lead to an image any more but its digest."""
    return [select(table.c.digest) for table in (images, replaced_images, purged_images)]
