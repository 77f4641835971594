from __future__ import annotations

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.crawler.post import Post
from services.crawler.resolvers.resolution import Ask
from services.crawler.sources import urls as urls_module
from services.crawler.sources.source import SourceFailed
from services.crawler.sources.urls import UrlListSource
from tests.crawler.sources.listing import batches_of, last_cursor, posts_of


async def test_lists_rows_in_order_and_counts_bad_ones(tmp_path: Path) -> None:
    """More rows than one batch come in order; rows without a URL are counted, anew with each listing."""
    path = tmp_path / "list.txt"
    lines = [f"http://h/{number}.jpg" if number % 10 else "nothing" for number in range(1_000)]
    path.write_text("\n".join(lines))
    source = UrlListSource(path)
    for _ in range(2):
        urls = [post.url for post in await posts_of(source)]
        assert urls == [line for line in lines if line != "nothing"]
        assert sum(batch.skipped_count for batch in await batches_of(source)) == 100


async def test_a_post_has_all_that_the_row_says(tmp_path: Path) -> None:
    """Title, author and page travel with the URL; the source is the file's canonical name."""
    path = tmp_path / "list.csv"
    path.write_text("url,title,author,page_url\nhttp://h/a.jpg,T,A,http://h/p\n")
    with capture_logs() as logs:
        source = UrlListSource(tmp_path / "x" / ".." / "list.csv")
        [post] = await posts_of(source)
    assert source.uri == f"urls:{path.resolve()}"
    assert (post.url, post.title, post.author) == ("http://h/a.jpg", "T", "A")
    assert post.page_url == "http://h/p"
    assert logs == []


async def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    """No rows are no error."""
    for name in ("list.txt", "list.csv", "list.jsonl"):
        (tmp_path / name).touch()
        assert await posts_of(UrlListSource(tmp_path / name)) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("gone.txt", None, "No such file"), ("list.parquet", b"nonsense" * 10, "arquet")],
)
async def test_a_file_that_cannot_be_read_fails(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    """A file that is gone or is not what its suffix says is one error with its cause."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    source = UrlListSource(tmp_path / name)
    with pytest.raises(SourceFailed) as failed:
        await posts_of(source)
    assert failed.value.uri == source.uri
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_a_listing_that_is_left_early_can_start_again(tmp_path: Path) -> None:
    """Leaving in the middle does no harm, and each listing starts from the beginning."""
    path = tmp_path / "list.txt"
    path.write_text("\n".join(f"http://h/{number}.jpg" for number in range(1_000)))
    source = UrlListSource(path)
    for _ in range(2):
        found = source.list_posts("")
        assert (await anext(found)).posts[0].url == "http://h/0.jpg"
        await found.aclose()


async def test_listing_goes_on_behind_the_cursor(tmp_path: Path) -> None:
    """Rows that came since are listed, and those of a file that begins otherwise from the first."""
    path = tmp_path / "list.txt"
    path.write_text("".join(f"http://h/{number}.jpg\n" for number in range(600)))
    source = UrlListSource(path)
    cursor = await last_cursor(source)
    assert await posts_of(source, cursor) == []
    with path.open("a") as file:
        file.write("http://h/new.jpg\n")
    assert [post.url for post in await posts_of(source, cursor)] == ["http://h/new.jpg"]
    path.write_text("http://h/other.jpg\n")
    assert [post.url for post in await posts_of(source, cursor)] == ["http://h/other.jpg"]
    for bad in ("nonsense", "[]", "[1]", '{"a": 1}', '["x", "y"]', f"[{-1}, 2]"):
        assert len(await posts_of(source, bad)) == 1


@pytest.mark.parametrize("padding", [0, 5_000])
async def test_a_line_that_is_being_written_is_not_lost(tmp_path: Path, padding: int) -> None:
    """It is listed as it stands, and again when it is whole; a last line that never ends is no harm."""
    path = tmp_path / "list.txt"
    path.write_text("#" * padding + "\nhttp://h/a.jpg\nhttp://h/b")
    source = UrlListSource(path)
    assert [post.url for post in await posts_of(source)] == ["http://h/a.jpg", "http://h/b"]
    cursor = await last_cursor(source)
    with path.open("a") as file:
        file.write("ig.jpg\nhttp://h/c.jpg\n")
    found = [post.url for post in await posts_of(source, cursor)]
    assert found[-2:] == ["http://h/big.jpg", "http://h/c.jpg"]
    assert padding == 0 or len(found) == 2
    assert await posts_of(source, await last_cursor(source, cursor)) == []


async def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path, monkeypatch) -> None:
    """However long it is, watching it costs nothing; written to again, it is read."""
    path = tmp_path / "list.csv"
    path.write_text("url\n" + "".join(f"http://h/{number}.jpg\n" for number in range(600)))
    source = UrlListSource(path)
    cursor = await last_cursor(source)
    read = []
    monkeypatch.setattr(urls_module, "read_rows", lambda path: iter(read))
    assert await batches_of(source, cursor) == []
    os.utime(path, (1.0, 1.0))
    assert len(await batches_of(source, cursor)) == 1


async def test_pages_of_known_hosts_stand_for_their_images(tmp_path: Path) -> None:
    """An album is asked for when it is listed; what no resolver knows, and what is no URL, is listed as it is."""
    path = tmp_path / "list.txt"
    path.write_text("https://imgur.com/a/AbCdE\nhttps://site.example/page\nftp://x/y.jpg\n")
    album, page, other = await posts_of(UrlListSource(path))
    assert isinstance(album.images, Ask)
    assert (page, other) == (Post("https://site.example/page"), Post("ftp://x/y.jpg"))
