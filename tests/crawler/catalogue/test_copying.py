from __future__ import annotations

import math
from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import select

from services.crawler.catalogue import (
    crawls,
    frontier,
    images,
    judgements,
    purges,
    score_counts,
    settling,
)
from services.crawler.catalogue.copying import NotEmpty, copy_catalogue
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms, Outcome
from services.crawler.catalogue.images import Keep
from services.crawler.catalogue.purges import PurgeCandidate
from services.crawler.catalogue.schema import candidates, metadata
from services.crawler.catalogue.schema import images as images_table
from services.crawler.catalogue.settling import Ending, Settlement
from services.crawler.judgement import Evidence, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeState
from tests.crawler.subjects import accepted, decoded_candidate, detection, embedding

PROFILE = ProfileVersion("p", 1)


def fill(connection, count=5):
    """Rows in most tables; candidates in another order than their digests have."""
    crawls.create_crawl(connection, "c1", CrawlRequest("r", ("urls:/a",), PROFILE), now=1.0)
    found = [Listing("urls:/a", f"http://h/{n}.jpg", "påß", post_time=2.5) for n in range(count)]
    frontier.add_listings(connection, "c1", found, now=1.0)
    terms = LeaseTerms("me", 2.0, 60.0)
    for number, leased in enumerate(frontier.lease(connection, "c1", terms, limit=count)):
        digest = f"{count - number:064x}"
        outcome = Outcome(OutcomeState.FETCHED, None, "", "", digest, 9, 3.0)
        evidence = Evidence(embedding(number), None, detection())
        judgements.record_candidates(
            connection, [judgements.Learned(digest, decoded_candidate(number), 9, evidence)]
        )
        judgements.add_judgements(connection, PROFILE, {digest: accepted()}, now=4.0)
        frontier.record_outcomes(connection, {leased.listing_id: outcome})
        images.record_images(
            connection, [images.StoredImage(digest, leased.listing_id, outcome)], now=4.0
        )
        kept = Keep(digest, PROFILE, leased.listing_id, f"{number}.jpg", 4.0)
        images.keep(connection, [kept])
        settlement = Settlement(outcome, Verdict.ACCEPTED, known=False)
        settling.settle(connection, [Ending("c1", leased, settlement)])
    images.mark_seen(connection, "p", "d", decoded_candidate(9).fingerprint)
    score_counts.count_scores(connection, PROFILE, {("urls:/a", (-math.inf, 0.0)): 1}, now=5.0)


def everything(connection):
    found = {}
    for table in metadata.sorted_tables:
        if table.name != "writers":
            query = select(*(column for column in table.c if not column.system))
            found[table.name] = sorted(connection.execute(query).all(), key=repr)
    return found


@pytest.fixture
async def source(tmp_path):
    database = Database(tmp_path / "from" / "catalog.sqlite")
    await database.run(fill)
    yield database
    database.close()


async def copy(source, target):
    """As the command does, in the source's transaction."""
    with source._engine._engine.begin() as rows:
        return await target.run(partial(copy_catalogue, rows))


async def test_every_row_is_copied(source, database):
    """With the same values, candidates in their order; what is added next has a number of its own."""
    count = await copy(source, database)
    before, after = await source.run(everything), await database.run(everything)
    assert after == before
    assert count == sum(map(len, after.values()))
    order = select(candidates.c.digest).order_by(candidates.c.position)
    digests = [f"{5 - number:064x}" for number in range(5)]
    assert await database.run(lambda c: c.scalars(order).all()) == digests
    more = [Listing("urls:/a", "http://h/more.jpg")]
    assert await database.run(lambda c: frontier.add_listings(c, "c1", more, now=6.0)) == 1


async def test_the_number_of_a_purged_image_does_not_come_back(source, postgres):
    """Whoever has exported up to it gets what is accepted after the copy."""
    newest = select(images_table.c.sequence, images_table.c.digest)
    newest = newest.order_by(images_table.c.sequence.desc()).limit(1)

    def purge_newest(connection):
        row = connection.execute(newest).one()
        image = PurgeCandidate(row.digest, Listing("urls:/a", "http://h/4.jpg"), ())
        purges.purge(connection, image, reason="", now=5.0)
        return row

    def accept(connection):
        learned = judgements.Learned("f" * 64, decoded_candidate(7), 9, Evidence())
        judgements.record_candidates(connection, [learned])
        outcome = Outcome(OutcomeState.FETCHED, None, "", "", "f" * 64, 9, 3.0)
        images.record_images(connection, [images.StoredImage("f" * 64, 1, outcome)], now=6.0)
        return connection.execute(newest).one()

    purged = await source.run(purge_newest)
    with postgres.database() as url, closing(Database(url)) as target:
        await copy(source, target)
        accepted_then = await target.run(accept)
    assert accepted_then.digest == "f" * 64
    assert accepted_then.sequence > purged.sequence


async def test_nothing_is_copied_over_something(source, database):
    """A catalogue that is in use stays as it is."""
    await copy(source, database)
    before = await database.run(everything)
    with pytest.raises(NotEmpty):
        await copy(source, database)
    assert await database.run(everything) == before
