"""From what a person types to a source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.crawler.fetch.shard_paths import SHARD_SUFFIX
from services.crawler.sources.arctic_shift import ARCTIC_SHIFT
from services.crawler.sources.commons import COMMONS
from services.crawler.sources.feed import FEED
from services.crawler.sources.flickr import FLICKR
from services.crawler.sources.folder import FOLDER
from services.crawler.sources.gallery_dl import GALLERY_DL
from services.crawler.sources.imgur import IMGUR
from services.crawler.sources.kind import SourceKind, SourceTools
from services.crawler.sources.page import PAGE
from services.crawler.sources.pushshift_dump import PUSHSHIFT_DUMP
from services.crawler.sources.reddit import REDDIT
from services.crawler.sources.reddit_rss import REDDIT_RSS
from services.crawler.sources.sitemap import SITEMAP
from services.crawler.sources.source import IMAGE_SUFFIXES, BadSource, Source
from services.crawler.sources.url_rows import LIST_READERS
from services.crawler.sources.urls import URLS
from services.crawler.sources.webdataset import WEBDATASET

# A kind is added by one file and one line here.
KINDS: tuple[SourceKind, ...] = (
    REDDIT,
    REDDIT_RSS,
    ARCTIC_SHIFT,
    PUSHSHIFT_DUMP,
    FLICKR,
    IMGUR,
    COMMONS,
    FEED,
    SITEMAP,
    FOLDER,
    URLS,
    WEBDATASET,
    PAGE,
    GALLERY_DL,
)

_LIST_SUFFIXES = ", ".join(LIST_READERS)


class SourceRegistry:
    """Knows every kind of source."""

    def __init__(self, tools: SourceTools) -> None:
        self._tools = tools
        self._kinds = {kind.word: kind for kind in KINDS}

    def parse(self, source: str) -> Source:
        """Reads `folder:/path`, `urls:/path/list.csv`, `page:https://…` and so on, or just a path or URL.

        A source's own `uri` reads as the same source.

        Raises:
            BadSource: It cannot be understood, is not there, or reads files where that is not allowed.
        """
        text = source.strip()
        word, colon, rest = text.partition(":")
        kind = self._kinds.get(word.lower()) if colon else None
        if kind is not None:
            return kind.parse(source, rest, self._tools)
        if colon and word.lower() in ("http", "https"):
            return PAGE.parse(source, text, self._tools)
        if not text:
            raise BadSource(source, "it is empty")
        return self._bare_path(source, text)

    def available(self) -> list[tuple[SourceKind, str]]:
        """Every kind, and what keeps it from working here; empty if nothing does."""
        return [(kind, kind.obstacle(self._tools)) for kind in KINDS]

    def _bare_path(self, source: str, text: str) -> Source:
        path = self._tools.local_path(source, text)
        suffix = path.suffix.lower()
        if _holds(source, path, Path.is_dir):
            return FOLDER.parse(source, text, self._tools)
        if suffix in LIST_READERS:
            return URLS.parse(source, text, self._tools)
        if suffix == SHARD_SUFFIX:
            return WEBDATASET.parse(source, text, self._tools)
        if suffix in IMAGE_SUFFIXES:
            raise BadSource(source, "it is one image; name the folder that it is in")
        if _holds(source, path, Path.exists):
            raise BadSource(source, f"a file of URLs ends in one of {_LIST_SUFFIXES}")
        raise BadSource(
            source,
            f"it is no folder, no file of URLs ({_LIST_SUFFIXES}), no http or https URL, and begins with no kind of "
            "source (see `lodestone sources --available`)",
        )


def _holds(source: str, path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(path)
    except (OSError, ValueError) as error:
        raise BadSource(source, "its path cannot be read") from error
