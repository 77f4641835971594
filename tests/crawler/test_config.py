from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.crawler.config import CrawlerSettings


@pytest.mark.parametrize("contact", ["", "you@example.org", "https://example.org/bot?x=1"])
def test_contacts_that_reach_somebody(contact):
    """A mail address or a web address, or none."""
    assert CrawlerSettings(contact=contact).contact == contact


@pytest.mark.parametrize("contact", ["x", "you@", "@h", "a b@h", "you@h\nX: y", "ftp://h/", "é@h"])
def test_contacts_that_reach_nobody(contact):
    """Anything else is refused: hosts would find nothing to write to."""
    with pytest.raises(ValidationError):
        CrawlerSettings(contact=contact)


def test_a_pace_without_end_is_refused():
    """Neither infinity nor NaN is a number of requests."""
    for pace in (float("inf"), float("nan"), 0.0, -1.0):
        with pytest.raises(ValidationError):
            CrawlerSettings(host_requests_per_s=pace)


@pytest.mark.parametrize(
    ("name", "most"),
    [("connections", 1_024), ("host_connections", 64), ("workers", 1_024), ("decoders", 256)],
)
def test_what_is_under_way_at_once_has_an_end(name, most):
    """A number that is too large by some digits is found at the start, not in the middle of a crawl."""
    assert getattr(CrawlerSettings(**{name: most}), name) == most
    with pytest.raises(ValidationError, match=name):
        CrawlerSettings(**{name: most + 1})


@pytest.mark.parametrize("folder", ["", ".", "shards", "~/shards"])
def test_a_folder_that_depends_on_where_one_stands_is_refused(folder):
    """What may be read must be the same wherever the crawler was started; an empty setting does not open everything."""
    with pytest.raises(ValidationError, match="is no absolute path"):
        CrawlerSettings(local_folder=folder)
    assert CrawlerSettings(local_folder="/shards").local_folder == Path("/shards")
