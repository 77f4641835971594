from __future__ import annotations

import pytest

from benchmarks.crawling.crawl import Plan, crawl
from tests.postgres.fixtures import postgres

__all__ = ["postgres"]


@pytest.mark.e2e
async def test_a_crawl_by_two_crawlers_is_measured(postgres):
    """Real processes: every listing ends once, as what the hosts gave; each host is asked as politely as by one."""
    plan = Plan(hosts=8, each=4, latency_s=0.05, connections=4)
    with postgres.database() as url:
        report = await crawl(plan, url, 2)
    ends = report["ends"]
    assert sum(ends.values()) == plan.count
    assert set(ends) <= {"FETCHED ACCEPTED", "FETCHED OFF_PROFILE"}
    # And a robots.txt for each host.
    assert report["asked"]["requests"] >= plan.count + plan.hosts
    assert report["asked"]["most_at_once"] <= 4
    assert report["asked"]["most_in_2_s"] <= 2 * 4 + 4 + 1
    assert report["listings_per_s"] > 0
    assert report["listings_per_s_steady"] > 0
    assert 0 < report["cpu_share"] <= 1
