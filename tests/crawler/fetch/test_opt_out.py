from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.opt_out import (
    TOO_LONG,
    forbids_following,
    opt_out_of_headers,
    opt_out_of_meta,
)


@pytest.mark.parametrize(
    ("values", "directive"),
    [
        (["noai"], "noai"),
        (["noimageai"], "noimageai"),
        (["NOINDEX"], "noindex"),
        (["noarchive, noimageindex"], "noimageindex"),
        (["none"], "none"),
        (["all", "noindex"], "noindex"),
        (["noindex;noai"], "noindex"),
        (["lodestone: noai"], "noai"),
        (["  Lodestone :noindex"], "noindex"),
        (["otherbot: noindex", "noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noindex"], "noindex"),
        (["max-image-preview: large, noai"], "noai"),
        (["nofollow, otherbot: noindex"], ""),
        ([], ""),
        ([""], ""),
        (["all"], ""),
        (["nofollow, nosnippet, noarchive"], ""),
        (["otherbot: noindex, noai"], "noai"),
        (["otherbot: nofollow, lodestone: noai"], "noai"),
        (["otherbot: nofollow; lodestone/1.0: noai"], "noai"),
        (["otherbot: nofollow lodestone: noai"], "noai"),
        (["*: noindex"], "noindex"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST noai"], "noai"),
        (["lodestone: all, otherbot: noindex"], ""),
        (["otherbot: noindex noai"], ""),
        (["otherbot: noindex, thirdbot: noai"], ""),
        (["OtherBot/2.1: noindex"], ""),
        (["googlebot: none"], ""),
        (["noindexing"], ""),
        (["max-snippet: -1"], ""),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], ""),
        (["x" * 3_000 + " noai"], "noai"),
        (["x, " * 6_000], ""),
        (["x" * 20_001], TOO_LONG),
    ],
)
def test_headers(values: list[str], directive: str) -> None:
    """The words that opt out for everybody or for us count; those for other crawlers and other words do not."""
    assert opt_out_of_headers(values) == directive


@pytest.mark.parametrize(
    ("name", "content", "directive", "stays"),
    [
        ("robots", "noai", "noai", False),
        ("ROBOTS ", "noindex, nofollow", "noindex", True),
        ("lodestone", "noimageai", "noimageai", False),
        ("robots", "none", "none", True),
        ("robots", "nofollow", "", True),
        ("robots", "index, follow", "", False),
        ("googlebot", "noindex, nofollow", "", False),
        ("description", "noai", "", False),
        ("robots", "x" * 20_001, TOO_LONG, True),
    ],
)
def test_meta_elements(name: str, content: str, directive: str, *, stays: bool) -> None:
    """Elements named `robots` or as we are count, for opting out and for not following links."""
    assert opt_out_of_meta(name, content) == directive
    assert forbids_following(name, content) is stays


@pytest.mark.parametrize("piece", [" ", "a", "a ", "a: ", ",", "a:", "\t:"])
def test_long_headers_take_little_time(piece: str) -> None:
    """Whatever they are."""
    began = time.process_time()
    opt_out_of_headers([(piece * 20_000)[:20_000]])
    assert time.process_time() - began < 0.5


@given(st.lists(st.text(), max_size=5))
def test_any_header_is_read(values: list[str]) -> None:
    """Whatever a host writes, the answer is one of the known words or nothing."""
    found = opt_out_of_headers(values)
    assert found in ("", "noai", "noimageai", "noindex", "noimageindex", "none")
