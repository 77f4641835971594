from __future__ import annotations

import pytest

from services.crawler.sources.html_tags import Tag, read_tags
from services.crawler.sources.page_rules import PageRules


def rules_of(html: str) -> PageRules:
    rules = PageRules()
    for token in read_tags(html):
        if isinstance(token, Tag):
            rules.read_tag(token)
    return rules


@pytest.mark.parametrize(
    ("html", "opt_out", "stays"),
    [
        ("<meta name=robots content=noai>", "noai", False),
        ("<META NAME=' Robots ' CONTENT='index, NOIMAGEAI'/>", "noimageai", False),
        ("<meta name=lodestone content=noindex,nofollow>", "noindex", True),
        ("<meta name=robots content=none>", "none", True),
        ("<meta name=robots content=all><meta name=robots content=noai>", "noai", False),
        ("<p>text<meta name=robots content=nofollow>", "", True),
        ("<meta name=otherbot content=noai>", "", False),
        ("<meta property=robots content=noai>", "", False),
        ("<meta name=robots>", "", False),
        ("<link name=robots content=noai>", "", False),
        ("<!-- <meta name=robots content=noai> -->", "", False),
        ("<script><meta name=robots content=noai></script>", "", False),
    ],
)
def test_what_a_page_asks_for(html: str, opt_out: str, *, stays: bool) -> None:
    """Elements for all crawlers and for us count, wherever they stand, and the first directive is named."""
    rules = rules_of(html)
    assert (rules.opt_out, rules.stays) == (opt_out, stays)
    assert rules.cause == (f"it opts out: its <meta> says {opt_out}" if opt_out else "")
