"""From what a person types to a source."""

from __future__ import annotations

from pathlib import Path

from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.sources.folder import FolderSource
from services.crawler.sources.page import FetchPage, PageSource
from services.crawler.sources.source import BadSource, Source
from services.crawler.sources.urls import READERS, UrlsSource


class SourceRegistry:
    """Knows every kind of source. A kind is added by one file and one line in `_kinds`."""

    def __init__(self, fetch_page: FetchPage, *, local_sources: bool) -> None:
        """Takes what sources need.

        Args:
            fetch_page: Fetches an HTML page through the guarded fetcher.
            local_sources: Whether sources may read files on this machine.
        """
        self._fetch_page = fetch_page
        self._local_sources = local_sources
        self._kinds = {"folder": self._folder, "urls": self._urls, "page": self._page}

    def parse(self, source: str) -> Source:
        """Reads `folder:/path`, `urls:/path/list.csv`, `page:https://…`, or just the path or URL.

        Raises:
            BadSource: It cannot be understood, is not there, or reads files where that is not allowed.
        """
        kind, colon, rest = source.partition(":")
        if colon and kind in self._kinds:
            return self._kinds[kind](source, rest)
        if kind in ("http", "https"):
            return self._page(source, source)
        if Path(source).is_dir():
            return self._folder(source, source)
        if Path(source).suffix.lower() in READERS:
            return self._urls(source, source)
        if Path(source).is_absolute():
            cause = "there is no such folder, and it is no .txt, .csv, .jsonl or .parquet file"
            raise BadSource(source, cause)
        known = ", ".join(f"{kind}:" for kind in self._kinds)
        raise BadSource(source, f"not a folder, a file of URLs or a web page; known kinds: {known}")

    def _folder(self, source: str, path: str) -> Source:
        folder = self._local(source, path)
        if not folder.is_dir():
            raise BadSource(source, "there is no such folder")
        return FolderSource(folder)

    def _urls(self, source: str, path: str) -> Source:
        file = self._local(source, path)
        if file.suffix.lower() not in READERS:
            raise BadSource(source, f"a file of URLs ends in {', '.join(READERS)}")
        if not file.is_file():
            raise BadSource(source, "there is no such file")
        return UrlsSource(file)

    def _page(self, source: str, url: str) -> Source:
        try:
            return PageSource(parse_url(url), self._fetch_page)
        except BadUrl as error:
            raise BadSource(source, error.cause) from error

    def _local(self, source: str, path: str) -> Path:
        if not self._local_sources:
            raise BadSource(source, "this crawler does not read files of its machine")
        return Path(path).expanduser().resolve()
