from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.fetch.opt_out import forbids_following, opt_out_of_headers, opt_out_of_meta


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
        (["nofollow, otherbot: noindex"], "noindex"),
        ([], ""),
        ([""], ""),
        (["all"], ""),
        (["nofollow, nosnippet, noarchive"], ""),
        (["otherbot: noindex, noai"], ""),
        (["googlebot: none"], ""),
        (["noindexing"], ""),
        (["max-snippet: -1"], ""),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], ""),
        (["x" * 3_000 + " noai"], ""),
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
    ],
)
def test_meta_elements(name: str, content: str, directive: str, *, stays: bool) -> None:
    """Elements named `robots` or as we are count, for opting out and for not following links."""
    assert opt_out_of_meta(name, content) == directive
    assert forbids_following(name, content) is stays


@given(st.lists(st.text(), max_size=5))
def test_any_header_is_read(values: list[str]) -> None:
    """Whatever a host writes, the answer is one of the known words or nothing."""
    found = opt_out_of_headers(values)
    assert found in ("", "noai", "noimageai", "noindex", "noimageindex", "none")
