"""Flickr: searches, tags, groups and people, with licence and author; needs a key."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.crawler.licence import is_allowed
from services.crawler.post import Post
from services.crawler.resolvers.flickr import flickr_number
from services.crawler.resolvers.reading import elements, members
from services.crawler.sources.all_pages import list_all_pages
from services.crawler.sources.flickr_api import NO_KEY, FlickrApi
from services.crawler.sources.flickr_photo import EXTRAS, LICENCES, read_photo
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.moments import ANY_TEXT, require_order
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import BadSource, Batch, SourceFailed
from services.crawler.sources.time_windows import Span, WindowPage, list_by_time

_PER_PAGE = 500
# A search shows no more (https://www.flickr.com/services/api/flickr.photos.search.html).
_SEARCH_RESULTS_MAX = 4_000
_SEARCH_PAGES = _SEARCH_RESULTS_MAX // _PER_PAGE
_MAX_PAGES = 400
_ID = re.compile(r"[0-9]{4,15}@N[0-9]{2}")
_PATH = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SORTS = {
    "newest": "date-posted-desc",
    "interesting": "interestingness-desc",
    "relevant": "relevance",
}
_DATES = {"after": ANY_TEXT, "before": ANY_TEXT}
_LICENCE = {"licence": re.compile(r"[a-z0-9.,-]{1,200}")}
_SEARCH_OPTIONS = {"sort": re.compile("|".join(_SORTS))} | _LICENCE | _DATES
_USER_OPTIONS = _LICENCE | _DATES

FindQuery = Callable[[FlickrApi], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class FlickrPlace:
    """What is listed.

    Attributes:
        uri: The canonical name.
        find: Gives the query, which may have to look an id up.
        method: `flickr.photos.search` or `flickr.groups.pools.getPhotos`.
        sort: Of a search.
        span: From when to when, for a backfill; None to poll the newest.
        is_group: Whether the community is the group, not each photo's owner.
    """

    uri: str
    find: FindQuery
    method: str = "flickr.photos.search"
    sort: str = "newest"
    span: Span | None = None
    is_group: bool = False


class FlickrSource:
    """Lists photos: the newest first down to what is known; the oldest first between two days; or the best of all."""

    poll_s = 300.0

    def __init__(self, place: FlickrPlace, tools: SourceTools) -> None:
        """Takes what to list, and what to ask with."""
        self._place = place
        self._api = FlickrApi(place.uri, tools)
        self._max_pixels = tools.max_pixels

    @property
    def uri(self) -> str:
        """`flickr:search/WORDS`, `flickr:tag/TAG`, `flickr:group/ID` or `flickr:user/ID`, with the options given."""
        return self._place.uri

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists 500 photos at a time.

        A search shows 4,000 photos at most: behind them the next one asks for what was posted until the last of them.

        Raises:
            SourceFailed: Flickr does not answer, or has no such place.
            SourceBlocked: It does not let us: no key, a bad one, a private group, too many requests.
        """
        if self._place.span is not None:
            return list_by_time(self._window, cursor, self._place.span, uri=self.uri)
        if self._place.sort != "newest":
            return list_all_pages(self._page, uri=self.uri, max_pages=_SEARCH_PAGES)
        return list_newest_first(self._page, cursor, uri=self.uri, max_pages=_MAX_PAGES)

    async def _page(self, after: str) -> PostPage:
        page, _, until = after.partition(":")
        asked = {"page": page or "1"} | ({"max_upload_date": until} if until else {})
        if not self._place.is_group:
            asked["sort"] = _SORTS[self._place.sort]
        photos, posts = await self._ask(asked)
        skipped = _entries(photos) - len(posts)
        return PostPage(posts, self._next_page(int(page or "1"), until, photos, posts), skipped)

    def _next_page(
        self, page: int, until: str, photos: Mapping[str, Any], posts: tuple[Post, ...]
    ) -> str:
        pages = flickr_number(photos.get("pages"))
        if page >= pages or not _entries(photos):
            return ""
        if self._place.is_group or page < _SEARCH_PAGES:
            return f"{page + 1}:{until}"
        if self._place.sort != "newest":
            return ""
        oldest = min((int(post.time) for post in posts if post.time is not None), default=0)
        return f"1:{oldest}" if oldest and str(oldest) != until else ""

    async def _window(self, second: int) -> WindowPage:
        span = self._place.span
        before = span.before if span is not None else None
        asked = {"page": "1", "sort": "date-posted-asc", "min_upload_date": str(second)}
        photos, posts = await self._ask(
            asked | ({"max_upload_date": str(before)} if before is not None else {})
        )
        dated = tuple(post for post in posts if post.time is not None)
        is_full = flickr_number(photos.get("pages")) > 1
        return WindowPage(dated, is_full, _entries(photos) - len(dated))

    async def _ask(self, asked: Mapping[str, str]) -> tuple[dict[str, Any], tuple[Post, ...]]:
        query = await self._place.find(self._api)
        fixed = {"extras": EXTRAS, "per_page": str(_PER_PAGE)}
        body = await self._api.call(self._place.method, query | fixed | dict(asked))
        photos = members(body.get("photos"))
        if "photo" not in photos:
            raise SourceFailed(self.uri, "Flickr's answer names no photos")
        community = f"flickr:group/{query['group_id']}" if self._place.is_group else ""
        read = (
            read_photo(members(photo), community=community, max_pixels=self._max_pixels)
            for photo in elements(photos.get("photo"))
        )
        return photos, tuple(post for post in read if post is not None)


def _entries(photos: Mapping[str, Any]) -> int:
    return len(elements(photos.get("photo")))


def _parse(source: str, text: str, tools: SourceTools) -> FlickrSource:
    form, _, rest = text.strip().partition("/")
    make = _FORMS.get(form.lower())
    if make is None:
        raise BadSource(source, f"after `flickr:` comes one of {', '.join(FLICKR.forms)}")
    return FlickrSource(make(source, rest), tools)


def _search(source: str, text: str) -> FlickrPlace:
    name, options = split_options(source, text, _SEARCH_OPTIONS)
    words = " ".join(name.split())
    if not words or len(words) > 300 or not words.isprintable():
        raise BadSource(source, "it names nothing to search for, or over 300 characters")
    return _search_place(source, "search", words, {"text": words}, options)


def _tag(source: str, text: str) -> FlickrPlace:
    name, options = split_options(source, text, _SEARCH_OPTIONS)
    tags = ",".join(filter(None, ("".join(tag.split()).lower() for tag in name.split(","))))
    if not tags or len(tags) > 300 or not tags.isprintable():
        raise BadSource(source, "it names no tag, or over 300 characters")
    return _search_place(source, "tag", tags, {"tags": tags, "tag_mode": "all"}, options)


def _search_place(
    source: str, form: str, name: str, query: dict[str, str], options: dict[str, str]
) -> FlickrPlace:
    sort, span = options.get("sort", "newest"), _span(source, options)
    if span is not None and sort != "newest":
        raise BadSource(
            source, "between two days photos come in the order of time: leave `sort` out"
        )
    query = query | _search_query(source, options)
    shown = options | {"sort": "" if sort == "newest" else sort}

    async def find(_api: FlickrApi) -> dict[str, str]:
        return query

    return FlickrPlace(_uri(form, name, shown), find, sort=sort, span=span)


def _user(source: str, text: str) -> FlickrPlace:
    name, options = split_options(source, text, _USER_OPTIONS)
    path, query = _person(source, name), _search_query(source, options)

    async def find(api: FlickrApi) -> dict[str, str]:
        user_id = path if _ID.fullmatch(path) else await api.id_of("User", path)
        return {"user_id": user_id} | query

    return FlickrPlace(_uri("user", path, options), find, span=_span(source, options))


def _group(source: str, text: str) -> FlickrPlace:
    name, _ = split_options(source, text, {})
    path = _person(source, name)

    async def find(api: FlickrApi) -> dict[str, str]:
        return {"group_id": path if _ID.fullmatch(path) else await api.id_of("Group", path)}

    method = "flickr.groups.pools.getPhotos"
    return FlickrPlace(_uri("group", path, {}), find, method, is_group=True)


_FORMS: Mapping[str, Callable[[str, str], FlickrPlace]] = {
    "search": _search,
    "tag": _tag,
    "group": _group,
    "user": _user,
}


def _uri(form: str, name: str, options: Mapping[str, str]) -> str:
    return f"flickr:{join_options(f'{form}/{name}', options)}"


def _person(source: str, name: str) -> str:
    """An id as it is, or a path in lower case: Flickr's pages know no other."""
    path = name.strip("/")
    if _ID.fullmatch(path.upper()):
        return path.upper()
    if not _PATH.fullmatch(path):
        raise BadSource(source, "it names neither an id (`12037949754@N01`) nor the path of a page")
    return path.lower()


def _search_query(source: str, options: Mapping[str, str]) -> dict[str, str]:
    query = {"media": "photos", "safe_search": "1"}
    wanted = tuple(filter(None, options.get("licence", "").split(",")))
    if not wanted:
        return query
    numbers = [number for number, name in LICENCES.items() if is_allowed(name, wanted)]
    if not numbers:
        raise BadSource(source, f"Flickr has no photos under {', '.join(wanted)}")
    return query | {"license": ",".join(numbers)}


def _span(source: str, options: Mapping[str, str]) -> Span | None:
    if not options.keys() & _DATES.keys():
        return None
    after, before = (
        _second(source, name, options[name]) if name in options else None
        for name in ("after", "before")
    )
    require_order(source, after, before)
    return Span(after or 0, before)


def _second(source: str, name: str, day: str) -> int:
    cause = f"{name}: {day[:50]!r} is no day: write 2024-01-31"
    if not _DAY.fullmatch(day):
        raise BadSource(source, cause)
    try:
        return max(0, int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()))
    except ValueError as error:
        raise BadSource(source, cause) from error


def _obstacle(tools: SourceTools) -> str:
    return web_obstacle(tools, "" if tools.credentials.flickr_key else NO_KEY)


FLICKR = SourceKind(
    word="flickr",
    forms=("flickr:search/WORDS", "flickr:tag/TAG", "flickr:group/ID", "flickr:user/ID"),
    summary="Flickr, with licence and author.",
    example="flickr:tag/landscape?licence=cc-by,cc0",
    parse=_parse,
    obstacle=_obstacle,
)
