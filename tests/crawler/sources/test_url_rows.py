from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crawler.sources.url_rows import UnreadableList, UrlRow, read_rows, row_of

A, B = UrlRow("http://h/a.jpg"), UrlRow("http://h/b.jpg")


def rows(tmp_path: Path, name: str, content: bytes | str) -> list[UrlRow | None]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_rows(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("http://h/a.jpg\nhttp://h/b.jpg\n", [A, B]),
        ("http://h/a.jpg\r\nhttp://h/b.jpg", [A, B]),
        ("http://h/a.jpg\rhttp://h/b.jpg\r", [A, B]),
        ("\ufeffhttp://h/a.jpg\n", [A]),
        ("# a comment\n\n   \n  HTTP://H/a.jpg#top  \n", [A]),
        ("no url\nhttp://h/a.jpg\n/path\n", [None, A, None]),
        ("http://h/a\x00.jpg\nhttp://h/b.jpg", [None, B]),
        (
            "ftp://h/a.jpg\nfile:///etc/passwd",
            [UrlRow("ftp://h/a.jpg"), UrlRow("file:///etc/passwd")],
        ),
        ("http://u:p@h/a.jpg", [UrlRow("http://u:p@h/a.jpg")]),
        (f"http://h/{'x' * 9_000}\nhttp://h/a.jpg", [None, A]),
        (b"http://h/caf\xe9.jpg\nhttp://h/a.jpg", [UrlRow("http://h/caf%E9.jpg"), A]),
        ("http://h/a.jpg\nhttp://h/b.jpg".encode("utf-16"), [A, B]),
        ("", []),
        (bytes(range(256)), [None, None]),
    ],
)
def test_text(tmp_path: Path, content: bytes | str, expected: list[UrlRow | None]) -> None:
    """A URL a line, with whatever line ends, marks and bytes; a line without one is a bad row."""
    assert rows(tmp_path, "list.txt", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("url\nhttp://h/a.jpg\nhttp://h/b.jpg\n", [A, B]),
        ("id,URL ,Title\n1,http://h/a.jpg,One\n", [UrlRow("http://h/a.jpg", "One")]),
        (
            "title,author,page_url,url\nT,A,http://h/p#x,http://h/a.jpg\n",
            [UrlRow("http://h/a.jpg", "T", "A", "http://h/p")],
        ),
        (
            'url,title\nhttp://h/a.jpg,"one, two\nthree"\n',
            [UrlRow("http://h/a.jpg", "one, two three")],
        ),
        ("1,http://h/a.jpg\n2,http://h/b.jpg\n", [A, B]),
        ("id,link\n1,http://h/a.jpg\n2,http://h/b.jpg\n", [A, B]),
        ("id,link,title\n1,-,x\n2,http://h/b.jpg,B\n", [None, UrlRow("http://h/b.jpg", "B")]),
        ("id;url\n1;http://h/a.jpg\n", [A]),
        ("id\turl\n1\thttp://h/a,b.jpg\n", [UrlRow("http://h/a,b.jpg")]),
        ("\ufeffurl\r\nhttp://h/a.jpg\r\n", [A]),
        ("url\n\n,\nhttp://h/a.jpg\n", [A]),
        ("title,url\nonly a title\nT,http://h/a.jpg\n", [None, UrlRow("http://h/a.jpg", "T")]),
        ("url\nnot one\nhttp://h/a.jpg\n", [None, A]),
        (b"url,title\nhttp://h/a.jpg,caf\xe9\n", [UrlRow("http://h/a.jpg", "caf?")]),
        (f'url\n"{"x" * 200_000}"\nhttp://h/a.jpg\n', [None, A]),
        (f"url\n{'x' * 1_200_000}\nhttp://h/a.jpg\n", [None, A]),
        ("", []),
        ("url\n", []),
        ("a,b\nc,d\n", [None]),
    ],
)
def test_csv(tmp_path: Path, content: bytes | str, expected: list[UrlRow | None]) -> None:
    """The column `url`, or the first that holds URLs; other columns by name; bad rows and fields in their place."""
    assert rows(tmp_path, "list.csv", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"url": "http://h/a.jpg"}\n\n{"URL": "http://h/b.jpg"}', [A, B]),
        (
            '{"url": "http://h/a.jpg", "title": "T", "author": "A", "page_url": "http://h/p"}',
            [UrlRow("http://h/a.jpg", "T", "A", "http://h/p")],
        ),
        ('{"url": "http://h/a.jpg", "title": 7, "page_url": null}', [A]),
        ('{"url": null}\n{"url": 7}\n{}\n[]\n"http://h/a.jpg"\nnull', [None] * 6),
        ('{"url": "http://h/a.jpg"', [None]),
        ("[" * 100_000, [None]),
        (f'{{"url": {"9" * 5_000}}}', [None]),
        ('{"url": "http://h/\\ud800.jpg"}\n{"url": "http://h/a.jpg"}', [None, A]),
        ("\ufeff" + '{"url": "http://h/a.jpg"}', [A]),
        (b'{"url": "http://h/a.jpg", "title": "\xff"}', [UrlRow("http://h/a.jpg", "?")]),
    ],
)
def test_json_lines(tmp_path: Path, content: bytes | str, expected: list[UrlRow | None]) -> None:
    """An object a line; what is no object with a URL is a bad row and costs no other."""
    assert rows(tmp_path, "list.jsonl", content) == expected


def test_parquet(tmp_path: Path) -> None:
    """Columns by name in any case, over several row groups; null and wrong values are bad rows."""
    table = pa.table(
        {
            "id": [1, 2, 3],
            "URL": ["http://h/a.jpg", None, "http://h/b.jpg"],
            "Title": ["T", "x", None],
        }
    )
    pq.write_table(table, tmp_path / "list.parquet", row_group_size=1)
    assert list(read_rows(tmp_path / "list.parquet")) == [UrlRow("http://h/a.jpg", "T"), None, B]


def test_parquet_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A text that is not UTF-8 spoils its own row only; binary columns are read as text."""
    urls = pa.array([b"http://h/\xe9.jpg", b"http://h/a.jpg", b"\xff"], pa.binary())
    as_text = pa.Array.from_buffers(pa.string(), 3, urls.buffers())
    for column in (urls, as_text):
        pq.write_table(pa.table({"url": column}), tmp_path / "list.parquet")
        expected = [UrlRow("http://h/%E9.jpg"), A, None]
        assert list(read_rows(tmp_path / "list.parquet")) == expected


@pytest.mark.parametrize("content", [b"", b"PAR1", b"url\nhttp://h/a.jpg\n" * 100, b"PAR1" * 10])
def test_a_parquet_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    """Another file named .parquet is one clear error."""
    with pytest.raises(UnreadableList) as unreadable:
        rows(tmp_path, "list.parquet", content)
    assert str(unreadable.value)
    assert "\n" not in str(unreadable.value)


def test_a_parquet_file_without_urls(tmp_path: Path) -> None:
    """A table without the column is one clear error; a column of numbers has bad rows."""
    pq.write_table(pa.table({"link": ["http://h/a.jpg"]}), tmp_path / "list.parquet")
    with pytest.raises(UnreadableList, match="no column `url`"):
        list(read_rows(tmp_path / "list.parquet"))
    pq.write_table(pa.table({"url": [1, 2]}), tmp_path / "list.parquet")
    assert list(read_rows(tmp_path / "list.parquet")) == [None, None]


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".jsonl"])
def test_a_missing_file_is_an_os_error(tmp_path: Path, suffix: str) -> None:
    """The caller hears what the system says."""
    with pytest.raises(FileNotFoundError):
        list(read_rows(tmp_path / f"gone{suffix}"))


def test_long_files_and_lines_are_never_in_memory(tmp_path: Path) -> None:
    """A file of 20 MB, nearly all of it one line, is read in a few megabytes, and its other rows are all there."""
    path = tmp_path / "list.txt"
    with path.open("w") as handle:
        handle.write("http://h/a.jpg\n" * 10_000)
        handle.write("x" * 20_000_000 + "\nhttp://h/b.jpg\n")
    tracemalloc.start()
    try:
        counts = Counter(read_rows(path))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counts == {A: 10_000, None: 1, B: 1}
    assert peak_bytes < 10_000_000


@given(
    st.dictionaries(st.sampled_from(["url", "title", "author", "page_url"]), st.text() | st.none())
)
def test_any_fields_are_a_row_or_none(fields: dict[str, str | None]) -> None:
    """Whatever the fields hold, a row can be stored: UTF-8, one line, bounded."""
    for row in (row_of(fields), row_of(fields | {"url": f"http://h/{fields.get('url')}"})):
        for text in (row.url, row.title, row.author, row.page_url) if row else ():
            assert len(text.encode()) <= 40_000
            assert len(text.splitlines()) <= 1
