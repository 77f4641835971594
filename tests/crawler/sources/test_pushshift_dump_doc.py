from __future__ import annotations

import orjson
import pytest
from backports import zstd

from services.crawler.sources.pushshift_dump import PUSHSHIFT_DUMP
from services.crawler.sources.registry import SourceRegistry
from tests.crawler.sources.listing import posts_of, source_tools
from tests.faithful.arctic_shift_server import archived
from tests.faithful.documented import documented_sources

# 2024-01-15, behind the time of the faithful posts.
_JANUARY = 1_705_276_800
SOURCES = documented_sources("pushshift-dump")


@pytest.mark.parametrize("text", [*SOURCES, PUSHSHIFT_DUMP.example])
async def test_what_the_page_shows_can_be_listed(text, tmp_path, monkeypatch):
    """Each source of the page's commands lists what it says of the dumps in that folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "dumps").mkdir()
    posts = [
        *(post | {"created_utc": _JANUARY} for post in archived(range(3))),
        *archived(range(4), subreddit="pics"),
    ]
    lines = b"".join(orjson.dumps(post) + b"\n" for post in posts)
    (tmp_path / "dumps" / "RS_2024-01.zst").write_bytes(zstd.compress(lines))
    (tmp_path / "dumps" / "EarthPorn_submissions.jsonl").write_bytes(lines)
    listed = await posts_of(SourceRegistry(source_tools()).parse(text))
    expected = {"subreddit": 3, "after": 6}
    assert len(listed) == next((n for word, n in expected.items() if f"?{word}=" in text), 7)


def test_the_page_shows_all_forms():
    """A month, a folder and a subreddit's own file."""
    assert {text.partition("?")[0].rpartition("/")[2] for text in SOURCES} == {
        "RS_2024-01.zst",
        "dumps",
        "EarthPorn_submissions.jsonl",
    }
