"""Wikimedia Commons, or another wiki with the same software: categories, searches and people's uploads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import AsyncGenerator, Callable

from services.crawler.post import Post
from services.crawler.sources.commons_cursor import ShelfCursor
from services.crawler.sources.commons_file import (
    WIDTHS_PX,
    FileSizes,
    category_uri,
    read_file,
    user_uri,
)
from services.crawler.sources.commons_shelves import (
    FILES_PER_BATCH,
    FindShelves,
    Shelf,
    category_tree,
    exists,
    user_shelf,
)
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.mediawiki import MediaWiki
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import LOOP, BadSource, Batch, Source, SourceFailed

COMMONS_API = "https://commons.wikimedia.org/w/api.php"

# CirrusSearch shows no results beyond (https://www.mediawiki.org/wiki/Help:CirrusSearch).
_SEARCH_RESULTS_MAX = 10_000
_POLL_S = 300.0
_WIDTH = re.compile("|".join(map(str, WIDTHS_PX)))
_CATEGORY_OPTIONS = {"depth": re.compile("0|1|2|3|4|5"), "width": _WIDTH}
_OTHER_OPTIONS = {"width": _WIDTH}
_TITLE_MAX_BYTES = 240
_NOT_IN_TITLES = frozenset("#<>[]|{}\ufffd")


class CommonsShelves:
    """Lists categories, or what somebody uploaded, newest first; later only what has come since.

    The wiki itself is asked for what came since the last listing began, by its own clock, with an hour of overlap: so
    there are no gaps. A listing that breaks off goes on where it was.
    """

    poll_s = _POLL_S

    def __init__(self, uri: str, wiki: MediaWiki, sizes: FileSizes, find: FindShelves) -> None:
        """Takes the canonical name, the wiki, which sizes to list, and what finds the shelves."""
        self._uri = uri
        self._wiki = wiki
        self._sizes = sizes
        self._find = find

    @property
    def uri(self) -> str:
        """`commons:Category:NAME` or `commons:user/NAME`, with the options that were given."""
        return self._uri

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists one batch of files after the other; see `ShelfCursor`.

        Raises:
            SourceFailed: The wiki cannot be asked, or has no such category.
            SourceBlocked: It does not let us, or wants a rest.
        """
        state = ShelfCursor.read(cursor)
        shelves = await self._find(self._wiki)
        names = [shelf.name for shelf in shelves]
        first = names.index(state.at) if state.at in names else 0
        began = state.began
        for place, shelf in enumerate(shelves[first:], first):
            at = state.following if shelf.name == state.at else {}
            query = shelf.query | self._sizes.query
            if end := state.end(shelf.name):
                query[shelf.end_name] = end
            async for batch in self._wiki.batches(query, at):
                began = began or batch.time
                if batch.following or place + 1 < len(shelves):
                    next_name = shelf.name if batch.following else names[place + 1]
                    after = ShelfCursor(state.since, state.known, began, next_name, batch.following)
                else:
                    after = state.finished(began, names)
                posts = tuple(self._post(page, shelf) for page in batch.pages)
                yield Batch(posts, after.write(), gap=LOOP if batch.is_looping else "")

    def _post(self, page: dict[str, object], shelf: Shelf) -> Post:
        return read_file(page, self._sizes, community=shelf.community)


class CommonsSearch:
    """Lists what a search finds, newest files first, as far as the wiki shows: its first 10,000 results."""

    poll_s = _POLL_S

    def __init__(self, uri: str, words: str, wiki: MediaWiki, sizes: FileSizes) -> None:
        """Takes the canonical name, what to search for, the wiki, and which sizes to list."""
        self._uri = uri
        self._wiki = wiki
        self._sizes = sizes
        self._query = sizes.query | {
            "generator": "search",
            "gsrnamespace": "6",
            "gsrsearch": f"{words} filetype:bitmap",
            "gsrsort": "create_timestamp_desc",
            "gsrlimit": FILES_PER_BATCH,
        }

    @property
    def uri(self) -> str:
        """`commons:search/WORDS`, with the options that were given."""
        return self._uri

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists down to what an earlier listing saw; see `list_newest_first`.

        Raises:
            SourceFailed, SourceBlocked: As for `CommonsShelves`.
        """
        pages = _SEARCH_RESULTS_MAX // int(FILES_PER_BATCH)
        return list_newest_first(self._page, cursor, uri=self._uri, max_pages=pages)

    async def _page(self, after: str) -> PostPage:
        at = {"gsroffset": after, "continue": "gsroffset||"} if after else {}
        batch = await self._wiki.batch(self._query, at)
        # Pages come in no order; the search's own is their index.
        found = sorted(batch.pages, key=_index)
        posts = tuple(read_file(page, self._sizes) for page in found)
        return PostPage(posts, batch.following.get("gsroffset", ""))


def _index(page: dict[str, object]) -> int:
    index = page.get("index")
    return index if isinstance(index, int) else _SEARCH_RESULTS_MAX


def _parse(source: str, text: str, tools: SourceTools) -> Source:
    for prefix, make in _FORMS.items():
        if text.lower().startswith(prefix):
            return make(source, text[len(prefix) :], tools)
    raise BadSource(source, f"after `commons:` comes one of {', '.join(COMMONS.forms)}")


def _category(source: str, text: str, tools: SourceTools) -> CommonsShelves:
    name, options = split_options(source, text, _CATEGORY_OPTIONS)
    title = f"Category:{_title(source, name)}"
    depth = int(options.get("depth", "0"))
    shown = options | {"depth": str(depth) if depth else ""}
    uri = category_uri(title, shown)

    async def find(wiki: MediaWiki) -> list[Shelf]:
        if not await exists(wiki, title):
            raise SourceFailed(uri, "there is no such category")
        return await category_tree(wiki, title, depth)

    return CommonsShelves(uri, _wiki(uri, tools), _sizes(options, tools), find)


def _user(source: str, text: str, tools: SourceTools) -> CommonsShelves:
    name, options = split_options(source, text, _OTHER_OPTIONS)
    person = _title(source, name)
    uri = user_uri(person, options)

    async def find(_wiki: MediaWiki) -> list[Shelf]:
        return [user_shelf(person)]

    return CommonsShelves(uri, _wiki(uri, tools), _sizes(options, tools), find)


def _search(source: str, text: str, tools: SourceTools) -> CommonsSearch:
    name, options = split_options(source, text, _OTHER_OPTIONS)
    words = " ".join(name.split())
    if not words or len(words) > 300 or not words.isprintable():
        raise BadSource(source, "it names nothing to search for, or over 300 characters")
    uri = f"commons:{join_options(f'search/{words}', options)}"
    return CommonsSearch(uri, words, _wiki(uri, tools), _sizes(options, tools))


def _title(source: str, name: str) -> str:
    """A title as the wiki writes it: normalised, one space for underscores and blanks, the first letter a capital."""
    title = " ".join(unicodedata.normalize("NFC", name).replace("_", " ").split())
    if not title or len(title.encode(errors="replace")) > _TITLE_MAX_BYTES:
        raise BadSource(source, f"it names nothing, or over {_TITLE_MAX_BYTES} bytes")
    if not title.isprintable() or set(title) & _NOT_IN_TITLES:
        raise BadSource(source, "titles have no # < > [ ] | { } and no control characters")
    return title[0].upper() + title[1:]


def _wiki(uri: str, tools: SourceTools) -> MediaWiki:
    return MediaWiki(uri, COMMONS_API, tools)


def _sizes(options: dict[str, str], tools: SourceTools) -> FileSizes:
    width_px = int(options["width"]) if "width" in options else None
    return FileSizes(width_px, tools.max_bytes, tools.max_pixels)


_FORMS: dict[str, Callable[[str, str, SourceTools], Source]] = {
    "category:": _category,
    "search/": _search,
    "user/": _user,
}

COMMONS = SourceKind(
    word="commons",
    forms=(
        "commons:Category:NAME[?depth=0-5]",
        "commons:search/WORDS",
        "commons:user/NAME",
    ),
    summary="Wikimedia Commons, with licence and author; needs no key.",
    example="commons:Category:Featured_pictures_of_landscapes",
    parse=_parse,
    obstacle=web_obstacle,
)
