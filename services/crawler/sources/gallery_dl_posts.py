"""From what gallery-dl says to posts. Each site has names of its own: the usual ones are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from services.crawler.fetch.url import WebUrl
from services.crawler.post import Post, PostFlags
from services.crawler.resolvers.reading import elements, members, web_url
from services.crawler.resolvers.resolution import IMAGES_MAX, Images, ImageUrl
from services.crawler.sources.gallery_dl_process import URL_KEY, GalleryDlFailed, Message
from services.crawler.sources.text import clean_text

_IDS = ("id", "post_id", "status_id", "tweet_id", "gallery_id", "album_id", "hash", "shortcode")
_TITLES = ("title", "caption", "description", "content", "text", "gallery_title", "album_title")
_AUTHORS = ("author", "artist", "account", "user", "uploader", "username", "blog_name")
_AUTHOR_NAMES = ("acct", "username", "screen_name", "name", "nick", "title")
_PAGES = ("post_url", "page_url", "pageurl", "permalink", "webpage_url", "url")
_LICENCES = ("license", "licence", "license_name")
_FACTS = ("category", "subcategory", "rating", "width", "height", "score", "source", "num")
_TAGS_MAX = 100
_ID_CHARACTERS = 100
_TIME = "%Y-%m-%d %H:%M:%S"
_MARKUP = re.compile(r"<[^>]{0,1000}>")
_EXPLICIT = frozenset({"e", "explicit", "adult", "mature", "x", "r18", "nsfw"})
_NO_IMAGES = frozenset(
    (
        *(".mp4", ".m4v", ".mov", ".webm", ".mkv", ".ogv", ".flv", ".avi", ".wmv", ".m3u8"),
        *(".zip", ".rar", ".7z", ".pdf", ".swf", ".mp3", ".ogg", ".wav", ".flac", ".html", ".txt"),
    )
)


@dataclass(frozen=True, slots=True)
class FoundPost:
    """A post, or an address to ask gallery-dl for next.

    Attributes:
        post: The post; None if it is an address.
        child: The address; empty if it is a post.
        skipped_count: Files of the post that have no address that can be asked for.
    """

    post: Post | None = None
    child: str = ""
    skipped_count: int = 0


@dataclass
class _Open:
    """A post whose files are still coming."""

    facts: dict[str, Any]
    images: dict[str, ImageUrl] = field(default_factory=dict)
    file_count: int = 0
    video_count: int = 0
    skipped_count: int = 0
    part: int = 1

    def add(self, facts: dict[str, Any]) -> None:
        self.file_count += 1
        url = web_url(facts.get(URL_KEY))
        if url is None:
            self.skipped_count += 1
        elif _is_no_image(url):
            self.video_count += 1
        else:
            title = _title(facts)
            own = "" if title == _title(self.facts) else title
            self.images.setdefault(url.text, ImageUrl(url, own))

    def next_part(self) -> _Open:
        return _Open(self.facts, part=self.part + 1)

    def close(self) -> FoundPost:
        return FoundPost(self._post(), skipped_count=self.skipped_count)

    def _post(self) -> Post:
        facts, images = self.facts, tuple(self.images.values())
        name = _id(facts, images)
        return Post(
            images=Images(images),
            post_id=name if self.part == 1 else f"{name}#{self.part}",
            time=_time(facts.get("date")),
            title=_title(facts),
            author=_author(facts),
            page_url=_page_url(facts),
            licence=clean_text(_first(facts, _LICENCES)),
            flags=PostFlags(
                over_18=_is_over_18(facts),
                is_video=self.video_count > 0 and not images,
                is_spoiler=bool(facts.get("spoiler_text")),
            ),
            facts=_kept_facts(facts),
        )


async def read_posts(messages: AsyncIterator[Message]) -> AsyncGenerator[FoundPost, None]:
    """Gathers the files of each post; one of more than 500 comes in parts.

    Raises:
        GalleryDlFailed: The messages end with it; what came before is gathered first.
    """
    gatherer = _Gatherer()
    try:
        async for message in messages:
            for found in gatherer.take(message):
                yield found
    except GalleryDlFailed:
        for found in gatherer.end():
            yield found
        raise
    for found in gatherer.end():
        yield found


class _Gatherer:
    """Puts files to the post that they came behind."""

    def __init__(self) -> None:
        self._at: _Open | None = None

    def take(self, message: Message) -> list[FoundPost]:
        """What is complete with a message."""
        match message.kind:
            case "post":
                done = self.end()
                self._at = _Open(message.facts)
                return done
            case "file":
                return self._take_file(message.facts)
            case "child" if url := web_url(message.facts.get(URL_KEY)):
                return [FoundPost(child=url.text)]
            case _:
                return [FoundPost(skipped_count=1)]

    def _take_file(self, facts: dict[str, Any]) -> list[FoundPost]:
        at = self._at = self._at or _Open(facts)
        at.add(facts)
        if len(at.images) < IMAGES_MAX:
            return []
        self._at = at.next_part()
        return [at.close()]

    def end(self) -> list[FoundPost]:
        """The post that was still open, if there is one."""
        at, self._at = self._at, None
        return [at.close()] if at is not None and (at.part == 1 or at.file_count) else []


def _id(facts: dict[str, Any], images: tuple[ImageUrl, ...]) -> str:
    """The site's name for a post; that of its first image, or of all that is said of it, where it has none."""
    own = next((facts[name] for name in _IDS if isinstance(facts.get(name), str | int)), None)
    if own is not None:
        text = f"{facts.get('category', '')}/{own}"
    else:
        text = images[0].url.text if images else repr(sorted(facts.items(), key=repr))
    encoded = text.encode("utf-8", "replace")
    is_short = len(text) <= _ID_CHARACTERS
    return encoded.decode() if is_short else hashlib.sha256(encoded).hexdigest()


def _title(facts: dict[str, Any]) -> str:
    text = _first(facts, _TITLES)
    return clean_text(_MARKUP.sub(" ", text[:5_000])) if isinstance(text, str) else ""


def _author(facts: dict[str, Any]) -> str:
    for name in _AUTHORS:
        value = facts.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            value = _first(value, _AUTHOR_NAMES)
        if isinstance(value, str) and value:
            return clean_text(value)
    return ""


def _page_url(facts: dict[str, Any]) -> str:
    found = (web_url(facts.get(name)) for name in _PAGES)
    return next((url.text for url in found if url is not None), "")


def _time(stated: object) -> float | None:
    """gallery-dl writes times so, in UTC."""
    if not isinstance(stated, str):
        return None
    try:
        return datetime.strptime(stated[:19], _TIME).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_over_18(facts: dict[str, Any]) -> bool:
    rating = facts.get("rating")
    is_rated = isinstance(rating, str) and rating.strip().lower() in _EXPLICIT
    return is_rated or any(
        facts.get(name) is True for name in ("nsfw", "over_18", "sensitive", "adult")
    )


def _is_no_image(url: WebUrl) -> bool:
    return PurePosixPath(url.path).suffix.lower() in _NO_IMAGES


def _kept_facts(facts: dict[str, Any]) -> dict[str, object]:
    kept: dict[str, object] = {
        name: facts[name]
        for name in _FACTS
        if isinstance(facts.get(name), str | int | float) and facts[name] != ""
    }
    tags = _tags(facts)
    return kept | {"tags": tags} if tags else kept


def _tags(facts: dict[str, Any]) -> list[str]:
    stated = facts.get("tags")
    words = stated.split() if isinstance(stated, str) else elements(stated)
    names: Iterable[object] = (members(tag).get("name") or tag for tag in words[:_TAGS_MAX])
    return [clean for name in names if (clean := clean_text(name))]


def _first(facts: dict[str, Any], names: tuple[str, ...]) -> object:
    return next(
        (facts[name] for name in names if isinstance(facts.get(name), str) and facts[name]), ""
    )
