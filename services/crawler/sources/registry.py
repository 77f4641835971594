"""From what a person types to a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.crawler.fetch.url import BadUrl, parse_url
from services.crawler.sources.folder import FolderSource
from services.crawler.sources.page import FetchPage, PageSource
from services.crawler.sources.resolved import ResolvedSource
from services.crawler.sources.source import IMAGE_SUFFIXES, BadSource, Source
from services.crawler.sources.url_rows import LIST_READERS
from services.crawler.sources.urls import UrlListSource

_LIST_SUFFIXES = ", ".join(LIST_READERS)


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

        A source's own `uri` reads as the same source.

        Raises:
            BadSource: It cannot be understood, is not there, or reads files where that is not allowed.
        """
        text = source.strip()
        kind, colon, rest = text.partition(":")
        if colon and kind.lower() in self._kinds:
            return self._kinds[kind.lower()](source, rest)
        if colon and kind.lower() in ("http", "https"):
            return self._page(source, text)
        if not text:
            raise BadSource(source, "it is empty")
        return self._bare_path(source, text)

    def _bare_path(self, source: str, text: str) -> Source:
        path = self._local(source, text)
        suffix = path.suffix.lower()
        if _exists(source, path, Path.is_dir):
            return FolderSource(path)
        if suffix in LIST_READERS:
            return self._urls(source, text)
        if suffix in IMAGE_SUFFIXES:
            raise BadSource(source, "it is one image; name the folder that it is in")
        if _exists(source, path, Path.exists):
            raise BadSource(source, f"a file of URLs ends in one of {_LIST_SUFFIXES}")
        raise BadSource(
            source, f"it is no folder, no file of URLs ({_LIST_SUFFIXES}) and no http or https URL"
        )

    def _folder(self, source: str, path: str) -> Source:
        folder = self._local(source, path)
        if not _exists(source, folder, Path.is_dir):
            raise BadSource(source, "there is no such folder")
        return FolderSource(folder)

    def _urls(self, source: str, path: str) -> Source:
        file = self._local(source, path)
        if file.suffix.lower() not in LIST_READERS:
            raise BadSource(source, f"a file of URLs ends in one of {_LIST_SUFFIXES}")
        if not _exists(source, file, Path.is_file):
            raise BadSource(source, "there is no such file")
        return ResolvedSource(UrlListSource(file), self._fetch_page)

    def _page(self, source: str, url: str) -> Source:
        try:
            return PageSource(parse_url(url), self._fetch_page)
        except BadUrl as error:
            raise BadSource(source, error.cause) from error

    def _local(self, source: str, path: str) -> Path:
        if not self._local_sources:
            raise BadSource(source, "this crawler does not read files of its machine")
        if not path:
            raise BadSource(source, "it names no path")
        try:
            return Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise BadSource(source, "its path cannot be read") from error


def _exists(source: str, path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(path)
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
