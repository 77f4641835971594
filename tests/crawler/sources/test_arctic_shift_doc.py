from __future__ import annotations

import pytest

from services.crawler.sources.arctic_shift import ARCTIC_SHIFT, BASE, ArcticShiftSource
from tests.crawler.sources.listing import posts_of
from tests.faithful.arctic_shift_server import ArcticShiftServer, archived
from tests.faithful.asking import registry_for
from tests.faithful.documented import documented_sources

SOURCES = [*documented_sources("arctic-shift"), ARCTIC_SHIFT.example]


@pytest.mark.parametrize("text", SOURCES)
async def test_what_the_page_shows_can_be_listed(text, monkeypatch):
    """Each source of the page's commands lists the posts of an archive that has some."""
    monkeypatch.setattr(ArcticShiftSource, "gap_s", 0.0)
    in_march, in_november = archived([0, 1], author="some_photographer")
    in_march["created_utc"] = 1_710_000_000
    async with (
        ArcticShiftServer([in_march, in_november]) as archive,
        registry_for(archive, {BASE: archive.origin}) as registry,
    ):
        listed = await posts_of(registry.parse(text))
    has_end = "before" in text
    assert [post.post_id for post in listed] == [
        post["id"] for post in (in_march, in_november)[: 1 if has_end else 2]
    ]


def test_the_page_shows_all_forms():
    """A subreddit, an author, and a span."""
    assert {text[: len("arctic-shift:r")][-1] for text in SOURCES} == {"r", "u"}
    assert any("after" in text and "before" in text for text in SOURCES)
