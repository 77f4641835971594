from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.crawler.listing import Listing
from services.crawler.sources.source import SourceFailed
from services.crawler.sources.urls import UrlListSource


async def listings(source: UrlListSource) -> list[Listing]:
    return [listing async for listing in source.list_images()]


async def test_lists_rows_in_order_and_counts_bad_ones(tmp_path: Path) -> None:
    """More rows than one batch come in order; rows without a URL are counted, anew with each listing."""
    path = tmp_path / "list.txt"
    lines = [f"http://h/{number}.jpg" if number % 10 else "nothing" for number in range(1_000)]
    path.write_text("\n".join(lines))
    source = UrlListSource(path)
    for _ in range(2):
        urls = [listing.url for listing in await listings(source)]
        assert urls == [line for line in lines if line != "nothing"]
        assert source.skipped_count == 100


async def test_a_listing_has_all_that_the_row_says(tmp_path: Path) -> None:
    """Title, author and page travel with the URL; the source is the file's canonical name."""
    path = tmp_path / "list.csv"
    path.write_text("url,title,author,page_url\nhttp://h/a.jpg,T,A,http://h/p\n")
    with capture_logs() as logs:
        [listing] = await listings(UrlListSource(tmp_path / "x" / ".." / "list.csv"))
    uri = f"urls:{path.resolve()}"
    assert listing == Listing(uri, "http://h/a.jpg", "T", "http://h/p", "A")
    assert logs == []


async def test_an_empty_file_lists_nothing(tmp_path: Path) -> None:
    """No rows are no error."""
    for name in ("list.txt", "list.csv", "list.jsonl"):
        (tmp_path / name).touch()
        assert await listings(UrlListSource(tmp_path / name)) == []


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
        await listings(source)
    assert failed.value.uri == source.uri
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


async def test_a_listing_that_is_left_early_can_start_again(tmp_path: Path) -> None:
    """Leaving in the middle does no harm, and each listing starts from the beginning."""
    path = tmp_path / "list.txt"
    path.write_text("\n".join(f"http://h/{number}.jpg" for number in range(1_000)))
    source = UrlListSource(path)
    for _ in range(2):
        found = source.list_images()
        assert (await anext(found)).url == "http://h/0.jpg"
        await found.aclose()
