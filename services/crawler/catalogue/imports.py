"""How what another catalogue knew comes into this one: beside crawls, and without ever looking like work to do.

Listings that this catalogue does not have are those of a crawl without sources, one for each profile version. It is
paused while an import goes on, so that nobody fetches them, and completed at its end.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, exists, select

from services.crawler.catalogue.crawls import CrawlRequest, CrawlState, create_crawl, set_state
from services.crawler.catalogue.frontier import LeasedListing, add_listings
from services.crawler.catalogue.late_judgements import record_judgements
from services.crawler.catalogue.schema import (
    candidates,
    crawl_listings,
    crawls,
    judgements,
    listings,
    purged_images,
)
from services.crawler.image_record import ImageRecord
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.listing import Listing, host_of
from services.crawler.outcome import OutcomeReason

_PREFIX = "lodestone import "
_REASON = "an import is under way"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known here of an image that is imported.

    Attributes:
        purged: Why it must not come back, one sentence; empty if it may.
        verdicts: What was said of it, by profile version, each with its reason.
        has_embedding: Whether it has one, of whatever encoder.
    """

    purged: str
    verdicts: dict[ProfileVersion, tuple[Verdict, str]]
    has_embedding: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    """A listing of this catalogue.

    Attributes:
        leased: It, held by nobody.
        crawl_id: The import's crawl that it is to do for; None if it is another crawl's.
    """

    leased: LeasedListing
    crawl_id: str | None


def standing_of(connection: Connection, record: ImageRecord) -> Standing:
    """Returns what is known of an image that is imported."""
    judged = select(judgements).where(judgements.c.digest == record.digest)
    embedded = select(candidates.c.digest).where(
        candidates.c.digest == record.digest, candidates.c.embedding.is_not(None)
    )
    verdicts = {
        ProfileVersion(row.profile_name, row.profile_version): (Verdict(row.verdict), row.reason)
        for row in connection.execute(judged)
    }
    return Standing(
        _purged(connection, record),
        verdicts,
        connection.execute(embedded).first() is not None,
    )


def admit(
    connection: Connection, profile: ProfileVersion, listing: Listing, *, now: float
) -> Admitted:
    """Returns the listing of an address, which is added if it is not there: to be settled for the import's crawl.

    One that another crawl found is left to it, whatever became of it.
    """
    found = select(listings.c.listing_id).where(listings.c.url == listing.url)
    listing_id = connection.execute(found).scalar_one_or_none()
    if listing_id is None:
        opened = _open_crawl(connection, profile, now=now)
        add_listings(connection, opened, [listing], now=now)
        listing_id = connection.execute(found).scalar_one()
    pending = (
        select(crawl_listings.c.crawl_id)
        .join(crawls, crawls.c.crawl_id == crawl_listings.c.crawl_id)
        .where(
            *_is_import(profile),
            crawl_listings.c.listing_id == listing_id,
            crawl_listings.c.sequence.is_(None),
        )
    )
    crawl_id = connection.execute(pending).scalars().first()
    return Admitted(LeasedListing(listing_id, listing, 0, None, host_of(listing.url)), crawl_id)


def add_judgements(connection: Connection, record: ImageRecord) -> None:
    """Adds what else was said of an image; what was said here stands.

    That it is a duplicate, or was replaced, is left out, as it says something of another catalogue; an acceptance
    counts where it led to something here that is kept, or was until a better copy came.
    """
    for one in record.judgements:
        if one.judgement.verdict not in (Verdict.DUPLICATE, Verdict.REPLACED):
            judged = {record.digest: one.judgement}
            record_judgements(connection, one.profile, judged, now=one.time)


def complete_imports(connection: Connection) -> None:
    """Ends the crawls of imports that have nothing to do any more."""
    to_do = exists().where(
        crawl_listings.c.crawl_id == crawls.c.crawl_id, crawl_listings.c.sequence.is_(None)
    )
    for crawl_id in (
        connection.execute(select(crawls.c.crawl_id).where(*_is_open(), ~to_do)).scalars().all()
    ):
        set_state(connection, crawl_id, CrawlState.COMPLETED, "an import")


def _open_crawl(connection: Connection, profile: ProfileVersion, *, now: float) -> str:
    found = (
        connection.execute(select(crawls.c.crawl_id).where(*_is_import(profile))).scalars().first()
    )
    if found is not None:
        return str(found)
    crawl_id = uuid.uuid4().hex
    create_crawl(connection, crawl_id, CrawlRequest(f"{_PREFIX}{crawl_id}", (), profile), now=now)
    set_state(connection, crawl_id, CrawlState.PAUSED, _REASON)
    return crawl_id


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return (
        crawls.c.request_id.startswith(_PREFIX, autoescape=True),
        crawls.c.state == CrawlState.PAUSED.value,
    )


def _is_import(profile: ProfileVersion) -> tuple[ColumnElement[bool], ...]:
    return (
        *_is_open(),
        crawls.c.profile_name == profile.name,
        crawls.c.profile_version == profile.version,
    )


def _purged(connection: Connection, record: ImageRecord) -> str:
    of_it = select(purged_images.c.digest).where(purged_images.c.digest == record.digest)
    if connection.execute(of_it).first() is not None:
        return "it was purged here"
    urls = {record.origin.listing.url, *(keep.origin.listing.url for keep in record.keeps)}
    at_it = select(listings.c.listing_id).where(
        listings.c.url.in_(urls), listings.c.outcome_reason == OutcomeReason.PURGED.value
    )
    return "its address was purged here" if connection.execute(at_it).first() is not None else ""
