"""Which of the three requests a command line is."""

from __future__ import annotations

import pytest

from lodestone.cli.crawl.wish import CrawlWish
from lodestone.cli.errors import WrongUsage
from lodestone.crawler.v1.crawl_pb2 import CrawlLimits
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource
from lodestone.crawler.v1.crawler_service_pb2 import AddCrawlSourcesRequest, ResumeCrawlRequest

FOLLOWED = CrawlSource(follow=True)


def wish(*sources, profile="", resume="", add_to="", **limits):
    return CrawlWish(sources, profile, resume, add_to, CrawlLimits(**limits))


def test_a_new_crawl():
    """With its limits, and each time under another request id: it is another crawl."""
    asked = wish("page:https://h/", profile="lakes", max_listings=3)
    one, other = asked.request(FOLLOWED), asked.request(FOLLOWED)
    assert one.request_id != other.request_id
    assert (one.profile, one.limits.max_listings) == ("lakes", 3)
    assert list(one.crawl_sources) == [CrawlSource(uri="page:https://h/", follow=True)]


def test_a_crawl_that_is_there():
    """Resumed by its id alone, or given more sources."""
    assert wish(resume="c1").request(FOLLOWED) == ResumeCrawlRequest(crawl_id="c1")
    chosen = [CrawlSource(uri="page:https://h/", follow=True)]
    asked = AddCrawlSourcesRequest(crawl_id="c1", crawl_sources=chosen)
    assert wish("page:https://h/", add_to="c1").request(FOLLOWED) == asked


@pytest.mark.parametrize(
    ("sources", "said", "words"),
    [
        ((), {"profile": "a"}, "a crawl needs SOURCE"),
        (("page:https://h/",), {}, "a crawl needs SOURCE"),
        (("page:https://h/",), {"resume": "c1"}, "--resume ID takes no sources"),
        ((), {"resume": "c1", "max_accepted": 1}, "--resume ID takes no sources"),
        ((), {"resume": "c1", "add_to": "c2"}, "--resume ID takes no sources"),
        ((), {"add_to": "c1"}, "--add-to ID takes SOURCE"),
        (("page:https://h/",), {"add_to": "c1", "max_listings": 1}, "--add-to ID takes SOURCE"),
    ],
)
def test_what_is_no_request(sources, said, words):
    """It is said before anything is asked for."""
    with pytest.raises(WrongUsage, match=words):
        wish(*sources, **said)
