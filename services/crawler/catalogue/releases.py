"""Judgements that do not stand any more: what they say is judged again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from services.crawler.catalogue.accept_order import take_accept_lock
from services.crawler.catalogue.recounting import recount
from services.crawler.catalogue.refetches import find_refetch
from services.crawler.catalogue.replacements import find_successors
from services.crawler.catalogue.schema import crawl_listings, judgements, listings
from services.crawler.judgement import ProfileVersion, Verdict
from services.crawler.outcome import OutcomeState
from services.crawler.seen.chain import chain_of
from services.servicekit.errors import FailedPrecondition

_OF_ANOTHER = (Verdict.DUPLICATE.value, Verdict.REPLACED.value)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image that was rejected, or replaced, for another one.

    Attributes:
        digest: SHA-256 of its bytes, 64 hex digits.
        profile: The version of a profile that said so.
        listing_ids: The listings that have these bytes, as far as is known; at least one.
    """

    digest: str
    profile: ProfileVersion
    listing_ids: tuple[int, ...]


class FetchedAgain(FailedPrecondition):
    """A crawl that has not ended has fetched an image again already.

    Attributes:
        digest: The image.
        crawl_id: The crawl.
    """

    def __init__(self, digest: str, crawl_id: str) -> None:
        super().__init__(
            f"the crawl {crawl_id} has fetched {digest[:12]} again, and has not ended: repeat this when it has"
        )
        self.digest = digest
        self.crawl_id = crawl_id


def find_rejected(connection: Connection, digest: str, other: str) -> list[Rejected]:
    """Returns under which profile versions an image was rejected for another one.

    By the newest version of each profile it is a duplicate of the other one, or of what that replaced; or the newest
    version that had kept it said that it was replaced, which newer ones that do not like it do not change.
    """
    listed = select(listings.c.listing_id).where(
        listings.c.digest == digest, listings.c.outcome_state == OutcomeState.FETCHED.value
    )
    listing_ids = tuple(connection.scalars(listed.order_by(listings.c.listing_id)))
    if not listing_ids:
        return []
    query = select(judgements).where(judgements.c.digest == digest)
    found = connection.execute(query.order_by(judgements.c.profile_version)).all()
    newest = {row.profile_name: row for row in found}
    # What a newer version says of a kept image does not end that it is kept.
    replaced = {row.profile_name: row for row in found if row.verdict == Verdict.REPLACED.value}
    profiles = {
        ProfileVersion(row.profile_name, row.profile_version)
        for row in (*newest.values(), *replaced.values())
        if row.verdict in _OF_ANOTHER and _stands_for(connection, row.duplicate_of_digest, other)
    }
    return [Rejected(digest, profile, listing_ids) for profile in sorted(profiles, key=str)]


def _stands_for(connection: Connection, digest: str, other: str) -> bool:
    """Whether an image is another one, or that came into its place."""
    return other in chain_of(digest, find_successors(connection, [digest]))


def release(connection: Connection, rejected: Rejected) -> None:
    """Forgets a judgement, in the order of accepts. Belongs into the transaction that lets a crawl fetch it again.

    Until it is judged again, crawls count it as DUPLICATE, also if it had been replaced.

    Raises:
        FetchedAgain: That crawl has it behind it, and has not ended.
    """
    # Whoever records settles a listing by it before, or finds under this lock that it is gone and gives the listing
    # back: nobody settles one by what is forgotten here.
    take_accept_lock(connection)
    profile = rejected.profile
    going = find_refetch(connection, profile)
    if going is not None:
        done = select(crawl_listings.c.listing_id).where(
            crawl_listings.c.crawl_id == going,
            crawl_listings.c.listing_id.in_(rejected.listing_ids),
            crawl_listings.c.sequence.is_not(None),
        )
        if connection.execute(done).first() is not None:
            raise FetchedAgain(rejected.digest, going)
    forget = delete(judgements).where(
        judgements.c.digest == rejected.digest,
        judgements.c.profile_name == profile.name,
        judgements.c.profile_version == profile.version,
        judgements.c.verdict.in_(_OF_ANOTHER),
    )
    verdict = connection.execute(forget.returning(judgements.c.verdict)).scalar()
    if verdict == Verdict.REPLACED.value:
        judged = (rejected.digest, profile)
        recount(connection, [judged], before=Verdict.REPLACED, after=Verdict.DUPLICATE)
