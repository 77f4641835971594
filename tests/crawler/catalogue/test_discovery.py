from __future__ import annotations

from sqlalchemy import insert, select

from services.crawler.catalogue import crawls, discovery, frontier
from services.crawler.catalogue.crawls import CrawlRequest
from services.crawler.catalogue.discovery import author_source
from services.crawler.catalogue.schema import candidates, images, kept_images, listings
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing

PROFILE = ProfileVersion("landscapes", 1)
HOME = "reddit:r/EarthPorn"


def found(number, **facts):
    place = {"source": "reddit:r/all", "community": HOME, "author": "ansel"} | facts
    url = f"https://i.redd.it/{number}.jpg"
    return Listing(url=url, page_url=f"https://www.reddit.com/{number}", **place)


def keep(connection, listing, *, digest="", profile="landscapes"):
    """Lists, and keeps an image of a digest if there is one."""
    frontier.add_listings(connection, "c1", [listing], now=1.0)
    query = select(listings.c.listing_id).where(listings.c.url == listing.url)
    listing_id = connection.execute(query).scalar_one()
    if not digest:
        return
    connection.execute(
        listings.update().where(listings.c.listing_id == listing_id).values(digest=digest)
    )
    known = connection.execute(select(images).where(images.c.digest == digest)).one_or_none()
    if known is not None:
        return
    facts = {
        "size_bytes": 1, "width_px": 1, "height_px": 1, "format": "JPEG", "animated": False, "hash64": "0",
        "hash256": b"", "mirrored64": "0", "mirrored256": b"", "flat": False,
    }  # fmt: skip
    connection.execute(insert(candidates).values(digest=digest, **facts))
    image = {"digest": digest, "listing_id": listing_id, "final_url": "", "accept_time": 1.0}
    connection.execute(insert(images).values(image))
    kept = {"digest": digest, "profile_name": profile, "profile_version": 1, "file_name": digest}
    connection.execute(insert(kept_images).values(kept | {"listing_id": listing_id}))


async def proposals(database, *kept, profile="", limit=50, sources=("reddit:r/all",)):
    def work(connection):
        request = CrawlRequest("r1", sources, PROFILE)
        crawls.create_crawl(connection, "c1", request, now=1.0)
        for listing, digest in kept:
            keep(connection, listing, digest=digest)
        return discovery.discover(connection, profile, limit=limit)

    return {one.uri: one for one in await database.run(work)}


async def test_communities_authors_and_parents(database):
    """Where accepted images were posted, who by (of two images on), and where they were crossposted from."""
    kept = [
        (found(1, parents=("reddit:r/Hiking", "reddit:r/Alps")), "d1"),
        (found(2), "d2"),
        (found(3, author="once"), "d3"),
        (found(4, author="never", community="reddit:r/cats"), ""),
    ]
    found_now = await proposals(database, *kept)
    assert set(found_now) == {HOME, "reddit:u/ansel", "reddit:r/Hiking", "reddit:r/Alps"}
    home = found_now[HOME]
    assert (home.accepted_count, home.evidence) == (3, "3 accepted images: 3 posted there")
    assert home.page_urls == tuple(f"https://www.reddit.com/{number}" for number in (1, 2, 3))
    assert found_now["reddit:u/ansel"].evidence == "2 accepted images: 2 by this author"
    assert found_now["reddit:r/Alps"].accepted_count == 1


async def test_sister_communities(database):
    """Where the authors of accepted images post as well, and where the same image was found."""
    kept = [
        (found(1), "d1"),
        (found(2), "d2"),
        (found(3, community="reddit:r/Lakes"), ""),
        (found(4, community="reddit:r/Copies", author="thief"), "d1"),
    ]
    found_now = await proposals(database, *kept)
    lakes, copies = found_now["reddit:r/Lakes"], found_now["reddit:r/Copies"]
    assert lakes.evidence == "2 accepted images: 2 by authors who post there, too"
    assert copies.evidence == "1 accepted image: 1 posted there as well"


async def test_what_is_crawled_is_not_proposed(database):
    """Whatever its options and however it is written; the most accepted come first, up to the limit."""
    kept = [(found(1), "d1"), (found(2), "d2"), (found(3, author="b"), "d3")]
    sources = ("reddit:r/earthporn?sort=top",)
    assert list(await proposals(database, *kept, sources=sources)) == ["reddit:u/ansel"]


async def test_by_profile_and_up_to_a_limit(database):
    """Another profile's images do not count."""
    kept = [(found(1), "d1"), (found(2), "d2")]
    assert list(await proposals(database, *kept, limit=1)) == [HOME]
    assert await database.run(lambda c: discovery.discover(c, "cats", limit=9)) == []


def test_author_sources():
    """Of kinds that can list an author; a name with a slash is none."""
    assert author_source("flickr:group/1", "99@N00") == "flickr:user/99@N00"
    assert author_source("commons:Category:Lakes", "A B") == "commons:user/A B"
    assert author_source("feed:https://h/", "a") == ""
    assert author_source("reddit:r/a", "a/b") == ""
    assert author_source("reddit:r/a", "") == ""
