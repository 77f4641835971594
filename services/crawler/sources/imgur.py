"""Imgur: its gallery, tags, albums and people; needs a client id."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from services.crawler.post import Post
from services.crawler.resolvers.reading import elements, members
from services.crawler.sources.all_pages import list_all_pages
from services.crawler.sources.imgur_api import NO_CLIENT, ImgurApi
from services.crawler.sources.imgur_post import read_item
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.options import join_options, split_options
from services.crawler.sources.source import BadSource, Batch, SourceFailed

# Each costs a credit of some hundreds an hour.
_MAX_PAGES = 50
_SORTS = {"sort": re.compile("time|viral|top"), "window": re.compile("day|week|month|year|all")}
_WINDOWS = {"window": _SORTS["window"]}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALBUM_ID = re.compile(r"[A-Za-z0-9]{5}|[A-Za-z0-9]{7}")


@dataclass(frozen=True, slots=True)
class ImgurPlace:
    """What is listed.

    Attributes:
        uri: The canonical name.
        path: What to ask for, with `{page}` for the number of the page.
        is_newest_first: Whether the newest come first; else each look lists all.
        community: As a source; empty for each uploader's.
    """

    uri: str
    path: str
    is_newest_first: bool = True
    community: str = ""


class ImgurSource:
    """Lists images and albums, some 60 a page and 50 pages at most: the newest first, or Imgur's best."""

    poll_s = 600.0

    def __init__(self, place: ImgurPlace, tools: SourceTools) -> None:
        """Takes what to list, and what to ask with."""
        self._place = place
        self._api = ImgurApi(place.uri, tools)

    @property
    def uri(self) -> str:
        """`imgur:gallery/hot`, `imgur:tag/NAME`, `imgur:album/ID` or `imgur:user/NAME`, with the options given."""
        return self._place.uri

    def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists a page at a time; newest first down to what an earlier listing saw, see `list_newest_first`.

        Raises:
            SourceFailed: Imgur does not answer, or has no such place.
            SourceBlocked: It does not let us, or its credits are nearly used up: says until when.
        """
        if "{page}" not in self._place.path:
            return self._list_album()
        if not self._place.is_newest_first:
            return list_all_pages(self._page, uri=self.uri, max_pages=_MAX_PAGES)
        return list_newest_first(self._page, cursor, uri=self.uri, max_pages=_MAX_PAGES)

    async def _list_album(self) -> AsyncGenerator[Batch, None]:
        data = members(await self._api.get(self._place.path))
        post = read_item(data)
        if post is None:
            raise SourceFailed(self.uri, "Imgur's answer is no album")
        yield Batch((post,))

    async def _page(self, after: str) -> PostPage:
        number = after or "0"
        path = self._place.path.replace("{page}", number)
        data = await self._api.get(path, {"mature": "true", "album_previews": "true"})
        # Of a tag the list is inside, of everything else it is all.
        items = elements(members(data).get("items")) if isinstance(data, dict) else data
        if not isinstance(items, list):
            raise SourceFailed(self.uri, "Imgur's answer is no list")
        read = [read_item(members(item), community=self._place.community) for item in items]
        posts: tuple[Post, ...] = tuple(post for post in read if post is not None)
        following = str(int(number) + 1) if items else ""
        return PostPage(posts, following, len(items) - len(posts))


def _parse(source: str, text: str, tools: SourceTools) -> ImgurSource:
    form, _, rest = text.strip().partition("/")
    make = _FORMS.get(form.lower())
    if make is None:
        raise BadSource(source, f"after `imgur:` comes one of {', '.join(IMGUR.forms)}")
    return ImgurSource(make(source, rest), tools)


def _gallery(source: str, text: str) -> ImgurPlace:
    section = text.partition("?")[0].strip("/ ").lower()
    if section == "top":
        _, options = split_options(source, text, _WINDOWS)
        window = options.get("window", "day")
        uri = _uri("gallery", "top", {"window": "" if window == "day" else window})
        return ImgurPlace(uri, f"gallery/top/viral/{window}/{{page}}", is_newest_first=False)
    if section not in ("hot", "user"):
        raise BadSource(source, "Imgur's galleries are hot, top and user")
    _, options = split_options(source, text, _SORTS)
    return _sorted_place("gallery", section, f"gallery/{section}", options)


def _tag(source: str, text: str) -> ImgurPlace:
    name, options = split_options(source, text, _SORTS)
    tag = _name(source, name)
    community = _uri("tag", tag, {})
    return _sorted_place("tag", tag, f"gallery/t/{tag}", options, community)


def _sorted_place(
    form: str, name: str, path: str, options: Mapping[str, str], community: str = ""
) -> ImgurPlace:
    sort, window = options.get("sort", "time"), options.get("window", "day")
    shown = {"sort": "" if sort == "time" else sort, "window": "" if window == "day" else window}
    whole = f"{path}/{sort}/{window}/{{page}}"
    return ImgurPlace(_uri(form, name, shown), whole, sort == "time", community)


def _user(source: str, text: str) -> ImgurPlace:
    name, _ = split_options(source, text, {})
    person = _name(source, name)
    return ImgurPlace(_uri("user", person, {}), f"account/{person}/submissions/{{page}}/newest")


def _album(source: str, text: str) -> ImgurPlace:
    name, _ = split_options(source, text, {})
    # `a-title-ID`, as in addresses.
    album_id = name.strip("/").rpartition("-")[2]
    if not _ALBUM_ID.fullmatch(album_id):
        raise BadSource(source, "an album's id has 5 or 7 letters and digits")
    return ImgurPlace(_uri("album", album_id, {}), f"album/{album_id}")


_FORMS: Mapping[str, Callable[[str, str], ImgurPlace]] = {
    "gallery": _gallery,
    "tag": _tag,
    "album": _album,
    "user": _user,
}


def _uri(form: str, name: str, options: Mapping[str, str]) -> str:
    return f"imgur:{join_options(f'{form}/{name}', options)}"


def _name(source: str, name: str) -> str:
    found = name.strip("/").lower()
    if not _NAME.fullmatch(found):
        raise BadSource(source, "names have letters, digits, _ and - only, 64 at most")
    return found


def _obstacle(tools: SourceTools) -> str:
    return web_obstacle(tools, "" if tools.credentials.imgur_client_id else NO_CLIENT)


IMGUR = SourceKind(
    word="imgur",
    forms=("imgur:gallery/hot|top|user", "imgur:tag/NAME", "imgur:album/ID", "imgur:user/NAME"),
    summary="Imgur's gallery, tags, albums and people.",
    example="imgur:tag/landscape",
    parse=_parse,
    obstacle=_obstacle,
)
