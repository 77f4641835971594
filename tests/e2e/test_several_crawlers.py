"""Three crawlers on one PostgreSQL catalogue, started by one command."""

from __future__ import annotations

import asyncio

import pytest

from lodestone.client import CrawlerClient
from lodestone.crawler.v1 import crawl_pb2
from tests.e2e.conftest import Lodestone, wait_for
from tests.faithful.slow_hosts import SlowHosts
from tests.fakes.ports import free_ports_in_a_row

pytestmark = pytest.mark.e2e

HOSTS, EACH = 12, 30
# A crawler's own bounds for one host: requests a second, and at once after a rest.
PER_S, BURST, AT_ONCE = 4, 4, 4


@pytest.fixture(scope="module")
def site(pictures):
    """Twelve hosts, each of which takes a fifth of a second; all have the same ten files under many names."""
    files = [path.read_bytes() for path in sorted((pictures / "site").glob("find-*.jpg"))]
    files += [(pictures / "site" / name).read_bytes() for name in ("graphic-0.png", "text.jpg")]
    with SlowHosts(HOSTS, files, latency_s=0.2) as site:
        yield site


@pytest.fixture(scope="module")
def team(postgres, site, tmp_path_factory, pictures):
    """A running Lodestone with three crawlers that has learnt the profile `hills`."""
    folder = tmp_path_factory.mktemp("team")
    with postgres.database() as url:
        allowed = [word for one in site.addresses for word in ("--allow-address", one)]
        team = Lodestone(folder, "--crawlers", "3", *allowed)
        first = free_ports_in_a_row(3)
        team.addresses = [f"127.0.0.1:{first + number}" for number in range(3)]
        team.environment["LODESTONE_CRAWLER"] = team.addresses[0]
        team.environment["LODESTONE_CRAWLER_CATALOGUE"] = postgres.address(url.database)
        team.query = lambda statement: postgres.execute(statement, url.database)
        # With two workers a crawler takes four hosts at a time.
        team.environment["LODESTONE_CRAWLER_WORKERS"] = "2"
        team.start()
        try:
            team.ask("profile", "fit", "hills", str(pictures / "liked"))
            yield team
        finally:
            team.stop()


def told(address, method, *arguments):
    """What one crawler says."""

    async def ask():
        async with CrawlerClient(address) as crawler:
            return await getattr(crawler, method)(*arguments)

    return asyncio.run(ask())


def settled_count(team, crawl_id):
    return told(team.addresses[0], "get_crawl", crawl_id).progress.settled_count


@pytest.fixture(scope="module")
def crawled(team, site, tmp_path_factory):
    """A crawl that is told to one crawler, paused by another, and resumed by the third."""
    urls = tmp_path_factory.mktemp("urls") / "urls.txt"
    urls.write_text("\n".join(site.urls(EACH)))
    [made] = team.ask("crawl", f"urls:{urls}", "--profile", "hills", "--detach")
    crawl_id = made["crawl"]["crawl_id"]
    wait_for(lambda: settled_count(team, crawl_id) >= 40, 120)
    told(team.addresses[1], "pause_crawl", crawl_id)
    wait_for(lambda: is_still(team, crawl_id))
    told(team.addresses[2], "resume_crawl", crawl_id)
    wait_for(
        lambda: (
            told(team.addresses[1], "get_crawl", crawl_id).state == crawl_pb2.CRAWL_STATE_COMPLETED
        ),
        240,
    )
    return told(team.addresses[1], "get_crawl", crawl_id)


def is_still(team, crawl_id):
    """Whether nobody works on a crawl any more: nothing is leased."""
    crawl = told(team.addresses[0], "get_crawl", crawl_id)
    return crawl.state == crawl_pb2.CRAWL_STATE_PAUSED and not held(team)


def held(team):
    return team.query("SELECT listing_id FROM listings WHERE lease_owner IS NOT NULL")


def test_every_listing_ends_once(team, crawled):
    """In one order without gaps, whoever settled it; and the counts are of all of them."""
    rows = team.query("SELECT sequence FROM crawl_listings ORDER BY sequence")
    assert [sequence for (sequence,) in rows] == list(range(1, HOSTS * EACH + 1))
    assert crawled.progress.settled_count == HOSTS * EACH
    ends = (*crawled.progress.outcome_counts, *crawled.progress.verdict_counts)
    assert sum(one.count for one in ends) == HOSTS * EACH
    assert held(team) == []


def test_each_picture_is_kept_once(team, crawled):
    """Eight hills, each under the addresses of twelve hosts, by three crawlers."""
    kept = [image["digest"] for image in team.ask("images", "list")]
    assert len(kept) == len(set(kept)) == 8
    names = [path.name for path in (team.data / "kept" / "hills").iterdir()]
    assert len(names) == 8


def test_all_crawlers_worked(team, crawled):
    """Each of them fetched some."""
    logs = [team.data / "logs" / f"crawler{suffix}.log" for suffix in ("", "-2", "-3")]
    fetched = [path.read_text().count('"event": "fetch"') for path in logs]
    assert min(fetched) >= 10, fetched


def test_a_host_sees_the_pace_of_one_crawler(site, crawled):
    """Three that did not share it would ask three times as often."""
    assert len(site.asked) == HOSTS
    assert site.most_at_once <= AT_ONCE
    for asked in site.asked.values():
        times = sorted(asked)
        within = max(sum(start <= one < start + 2.0 for one in times) for start in times)
        assert within <= 2 * PER_S + BURST + 1


def test_what_it_takes_is_said_before_anything_starts(tmp_path):
    """SQLite is one crawler's."""
    alone = Lodestone(tmp_path, "--crawlers", "2")
    alone.environment.pop("LODESTONE_CRAWLER_CATALOGUE", None)
    done = alone.run("up", "--crawlers", "2")
    assert done.returncode != 0
    assert "LODESTONE_CRAWLER_CATALOGUE" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not alone.data.exists()
