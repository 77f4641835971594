"""Sources that may be worth crawling, by what accepted images have to do with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, select

from services.crawler.catalogue.schema import crawl_sources, kept_images, listings

_EXAMPLES = 3
_AUTHOR_IMAGES = 2
_BY_AUTHOR = "by this author"
_AUTHORS_MAX = 1_000
# Where an author's name makes a source, by how the community begins.
_AUTHOR_SOURCES = (
    ("reddit:", "reddit:u/{}"),
    ("flickr:", "flickr:user/{}"),
    ("commons:", "commons:user/{}"),
    ("imgur:", "imgur:user/{}"),
)


@dataclass(frozen=True, slots=True)
class SourceProposal:
    """A source that nobody crawled yet.

    Attributes:
        uri: The source.
        evidence: Why, one sentence with the numbers.
        accepted_count: Accepted images that speak for it.
        page_urls: Pages of some of them, at most 3.
    """

    uri: str
    evidence: str
    accepted_count: int
    page_urls: tuple[str, ...]


@dataclass(slots=True)
class _Evidence:
    """What speaks for one source."""

    digests: set[str] = field(default_factory=set)
    pages: dict[str, None] = field(default_factory=dict)
    by: dict[str, set[str]] = field(default_factory=dict)

    def add(self, row: Row[Any], ground: str) -> None:
        self.by.setdefault(ground, set()).add(str(row.digest))
        self.digests.add(str(row.digest))
        if row.page_url:
            self.pages.setdefault(str(row.page_url))

    @property
    def is_enough(self) -> bool:
        """One picture by an author is chance; a community that one came from is worth a look."""
        return set(self.by) != {_BY_AUTHOR} or len(self.digests) >= _AUTHOR_IMAGES

    @property
    def sentence(self) -> str:
        """What speaks for it, with the numbers."""
        by = sorted(self.by.items(), key=lambda item: (-len(item[1]), item[0]))
        grounds = ", ".join(f"{len(digests):,} {ground}" for ground, digests in by)
        noun = "accepted image" if len(self.digests) == 1 else "accepted images"
        return f"{len(self.digests):,} {noun}: {grounds}"


def discover(connection: Connection, profile_name: str, *, limit: int) -> list[SourceProposal]:
    """Proposes sources that no crawl has, most accepted images first.

    Args:
        connection: The catalogue.
        profile_name: Only by what was kept for it; empty for all.
        limit: Proposals at most.
    """
    crawled = {_place(uri) for uri in connection.scalars(select(crawl_sources.c.uri))}
    found: dict[str, _Evidence] = {}
    accepted = _accepted(connection, profile_name)
    also = _Elsewhere(connection, accepted)
    for row in accepted:
        for uri, ground in (*_grounds(row), *also.grounds(row)):
            found.setdefault(uri, _Evidence()).add(row, ground)
    proposals = [
        SourceProposal(
            uri, evidence.sentence, len(evidence.digests), tuple(evidence.pages)[:_EXAMPLES]
        )
        for uri, evidence in found.items()
        if _place(uri) not in crawled and evidence.is_enough
    ]
    return sorted(proposals, key=lambda one: (-one.accepted_count, one.uri))[:limit]


def _accepted(connection: Connection, profile_name: str) -> list[Row[Any]]:
    """The listings that images were kept for."""
    query = select(
        kept_images.c.digest,
        listings.c.author,
        listings.c.community,
        listings.c.parents,
        listings.c.page_url,
    ).join(listings, listings.c.listing_id == kept_images.c.listing_id)
    if profile_name:
        query = query.where(kept_images.c.profile_name == profile_name)
    return [*connection.execute(query)]


def _grounds(row: Row[Any]) -> Iterator[tuple[str, str]]:
    """The sources that one accepted image speaks for, and why."""
    community = str(row.community)
    if community:
        yield community, "posted there"
    for parent in str(row.parents).split():
        yield parent, "crossposted from there"
    author = author_source(community, str(row.author))
    if author:
        yield author, _BY_AUTHOR


def author_source(community: str, author: str) -> str:
    """The source of everything by an author whose post was found in a community; empty if there is no such source."""
    form = next((form for kind, form in _AUTHOR_SOURCES if community.startswith(kind)), "")
    return form.format(author) if form and author and "/" not in author else ""


class _Elsewhere:
    """Where else the images that were kept, and their authors, were found."""

    def __init__(self, connection: Connection, accepted: Iterable[Row[Any]]) -> None:
        authors = Counter(str(row.author) for row in accepted if row.author and row.community)
        names = [
            name for name, count in authors.most_common(_AUTHORS_MAX) if count >= _AUTHOR_IMAGES
        ]
        is_author = listings.c.author.in_(names)
        is_kept = listings.c.digest.in_(select(kept_images.c.digest))
        self._of_author = _communities(connection, listings.c.author, is_author)
        self._of_digest = _communities(connection, listings.c.digest, is_kept)

    def grounds(self, row: Row[Any]) -> Iterator[tuple[str, str]]:
        """The communities that one accepted image speaks for by what is known of others, and why."""
        for community in self._of_author.get(str(row.author), set()) - {row.community}:
            yield community, "by authors who post there, too"
        for community in self._of_digest.get(str(row.digest), set()) - {row.community}:
            yield community, "posted there as well"


def _communities(
    connection: Connection, key: Column[Any], condition: ColumnElement[bool]
) -> dict[str, set[str]]:
    query = (
        select(key, listings.c.community).where(listings.c.community != "", condition).distinct()
    )
    found: dict[str, set[str]] = {}
    for value, community in connection.execute(query):
        found.setdefault(value, set()).add(community)
    return found


def _place(uri: str) -> str:
    """A source without its options, as one that differs only in these is no new place."""
    return uri.partition("?")[0].lower()
