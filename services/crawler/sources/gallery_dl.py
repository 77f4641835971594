"""Whatever gallery-dl can list: it is run as a program of its own, and reaches the web through our guard."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from services.crawler.fetch.failure import failure_of_status
from services.crawler.fetch.guard_proxy import GuardProxy
from services.crawler.fetch.identity import ContactMissing
from services.crawler.fetch.url import BadUrl, WebUrl, parse_url
from services.crawler.post import Post
from services.crawler.sources.failures import source_failure
from services.crawler.sources.gallery_dl_posts import FoundPost, read_posts
from services.crawler.sources.gallery_dl_process import (
    GalleryDlFailed,
    ProcessLimits,
    find_program,
    run_gallery_dl,
)
from services.crawler.sources.kind import SourceKind, SourceTools, web_obstacle
from services.crawler.sources.newest_first import PostPage, list_newest_first
from services.crawler.sources.source import (
    BadSource,
    Batch,
    BlockReason,
    SourceBlocked,
    SourceFailed,
)

_MISSING = "install gallery-dl (pip install gallery-dl), or put it on the PATH"
_PAGE_POSTS = 50
_PAGES_MAX = 1_000_000
_CHILDREN_MAX = 200
_CHALLENGE, _LOGIN, _UNKNOWN_SITE = 8, 16, 64
# `WORD:URL` asks one of gallery-dl's parts for an instance that it does not know by name.
_WORDED = re.compile(r"(?P<word>[A-Za-z][A-Za-z0-9_]*):(?P<url>https?://.*)", re.DOTALL)
# Parts that read files, log in, or start another program that asks the web by itself.
_NO_WORDS = frozenset({"oauth", "r", "recursive", "test", "update", "ytdl"})


class GalleryDlSource:
    """Lists the posts of a page that gallery-dl knows, and of up to 200 pages that this one leads to.

    Where the posts turn out to come newest first, a later look ends behind the first 25 that are known.
    """

    poll_s = 900.0

    def __init__(
        self, url: WebUrl, word: str, tools: SourceTools, limits: ProcessLimits | None = None
    ) -> None:
        """Takes the page, and the part of gallery-dl to use for it; empty lets gallery-dl choose."""
        self._url = url
        self._word = word
        scheme, _, rest = url.text.partition("://")
        host, slash, path = rest.partition("/")
        self._asked = parse_url(f"{tools.api_base(f'{scheme}://{host}')}{slash}{path}")
        self._tools = tools
        self._limits = limits or ProcessLimits()
        self._log = structlog.get_logger()

    @property
    def uri(self) -> str:
        """`gallery-dl:`, the part if one is named, and the canonical URL."""
        return f"gallery-dl:{self._target(self._url.text)}"

    def _target(self, url: str) -> str:
        return f"{self._word}:{url}" if self._word else url

    async def list_posts(self, cursor: str) -> AsyncGenerator[Batch, None]:
        """Lists posts as gallery-dl says them.

        The cursor holds the newest posts' names, and whether the place shows its newest first.

        Raises:
            SourceBlocked: gallery-dl is not installed, or the site does not let it in.
            SourceFailed: It failed otherwise, or wanted to reach what must not be asked.
            ContactMissing: The host is not our own, and no contact is configured.
        """
        program = find_program()
        if not program:
            raise SourceBlocked(self.uri, BlockReason.TOOL_MISSING, _MISSING)
        past = _Past.read(cursor)
        async with self._tools.guard_proxy() as proxy:
            walk = _Walk(past)
            known = json.dumps(past.known) if past.newest_first else ""
            async with (
                aclosing(self._found(program, proxy)) as found,
                aclosing(walk.pages(found)) as pages,
            ):
                batches = list_newest_first(
                    lambda _after: anext(pages), known, uri=self.uri, max_pages=_PAGES_MAX
                )
                try:
                    async for batch in batches:
                        yield walk.with_order(batch)
                except (SourceFailed, ContactMissing):
                    yield walk.rest()
                    raise

    async def _found(self, program: str, proxy: GuardProxy) -> AsyncGenerator[FoundPost, None]:
        children: dict[str, None] = {}
        async with aclosing(self._run(program, proxy, self._asked.text)) as run:
            async for found in run:
                if not found.child:
                    yield found
                elif len(children) < _CHILDREN_MAX:
                    children[found.child] = None
                else:
                    yield FoundPost(skipped_count=1)
        for child in children:
            async with aclosing(self._run_child(program, proxy, child)) as run:
                async for found in run:
                    yield found

    async def _run_child(
        self, program: str, proxy: GuardProxy, url: str
    ) -> AsyncGenerator[FoundPost, None]:
        try:
            async with aclosing(self._run(program, proxy, url)) as run:
                async for found in run:
                    # One level.
                    yield FoundPost(skipped_count=1) if found.child else found
        except SourceBlocked as blocked:
            if blocked.reason is BlockReason.RATE_LIMITED:
                raise
            self._log.warning("child_left_out", source=self.uri, url=url, cause=blocked.cause)
        except SourceFailed as failure:
            self._log.warning("child_left_out", source=self.uri, url=url, cause=failure.cause)

    async def _run(
        self, program: str, proxy: GuardProxy, url: str
    ) -> AsyncGenerator[FoundPost, None]:
        is_own = parse_url(url).origin == self._asked.origin
        target = self._target(url) if is_own else url
        try:
            async with aclosing(run_gallery_dl(program, target, proxy, self._limits)) as messages:
                async for found in read_posts(messages):
                    yield found
        except GalleryDlFailed as failure:
            raise self._failure(failure, proxy, parse_url(url)) from failure

    def _failure(self, failure: GalleryDlFailed, proxy: GuardProxy, url: WebUrl) -> Exception:
        refusal, proxy.refusal = proxy.refusal, None
        if isinstance(refusal, ContactMissing):
            return refusal
        if refusal is not None:
            return source_failure(self.uri, refusal)
        if failure.http_status:
            return source_failure(self.uri, failure_of_status(failure.http_status, url))
        return _failure_of_exit(self.uri, failure, url)


def _failure_of_exit(uri: str, failure: GalleryDlFailed, url: WebUrl) -> SourceFailed:
    if failure.exit_status & _UNKNOWN_SITE:
        return SourceFailed(uri, f"gallery-dl knows no site for {url.text}")
    if failure.exit_status & _LOGIN:
        cause = f"{failure}; it is given no login here"
        return SourceBlocked(uri, BlockReason.CREDENTIALS_MISSING, cause)
    if failure.exit_status & _CHALLENGE:
        return SourceBlocked(uri, BlockReason.FORBIDDEN, str(failure))
    return SourceFailed(uri, str(failure))


@dataclass(frozen=True, slots=True)
class _Past:
    """What a cursor holds."""

    known: list[str] = field(default_factory=list)
    newest_first: bool = False

    @classmethod
    def read(cls, cursor: str) -> _Past:
        try:
            facts = json.loads(cursor) if cursor else {}
        except (ValueError, RecursionError):
            return cls()
        known = facts.get("known") if isinstance(facts, dict) else None
        if not isinstance(known, list):
            return cls()
        names = [name for name in known if isinstance(name, str)]
        return cls(names, facts.get("newest_first") is True)


class _Walk:
    """Cuts a stream of posts into pages, and notices in which order they come."""

    def __init__(self, past: _Past) -> None:
        self._past = past
        self._falls = self._rises = 0
        self._last_time: float | None = None
        self._posts: list[Post] = []
        self._skipped = 0

    async def pages(self, found: AsyncIterator[FoundPost]) -> AsyncGenerator[PostPage, None]:
        """Pages of 50 posts; the last names no next one."""
        number = 0
        async for one in found:
            self._skipped += one.skipped_count
            if one.post is not None:
                self._compare(one.post)
                self._posts.append(one.post)
            if len(self._posts) == _PAGE_POSTS:
                number += 1
                yield self._page(str(number))
        yield self._page("")

    def rest(self) -> Batch:
        """What came before a failure and is in no page yet."""
        page = self._page("")
        return Batch(page.posts, skipped_count=page.skipped_count)

    def _page(self, after: str) -> PostPage:
        page = PostPage(tuple(self._posts), after, self._skipped)
        self._posts, self._skipped = [], 0
        return page

    def _compare(self, post: Post) -> None:
        if post.time is None:
            return
        if self._last_time is not None:
            self._falls += post.time < self._last_time
            self._rises += post.time > self._last_time
        self._last_time = post.time

    def with_order(self, batch: Batch) -> Batch:
        """The batch, with the order in its cursor if it has one."""
        if not batch.cursor:
            return batch
        # Some sites pin a post to the top.
        ordered = self._falls > 0 and self._rises <= 1 + self._falls // 20
        facts = {
            "newest_first": self._past.newest_first or ordered,
            "known": json.loads(batch.cursor),
        }
        cursor = json.dumps(facts, ensure_ascii=False)
        return Batch(batch.posts, cursor, batch.skipped_count, batch.gap)


def _parse(source: str, text: str, tools: SourceTools) -> GalleryDlSource:
    worded = _WORDED.fullmatch(text.strip())
    # `http` is no part of gallery-dl.
    word = worded["word"] if worded else ""
    if word.lower() in _NO_WORDS:
        raise BadSource(source, f"gallery-dl's {word!r} is not used here")
    try:
        url = parse_url(worded["url"] if worded else text.strip())
    except BadUrl as error:
        raise BadSource(source, error.cause) from error
    return GalleryDlSource(url, word, tools)


def _obstacle(tools: SourceTools) -> str:
    return web_obstacle(tools, "" if find_program() else _MISSING)


GALLERY_DL = SourceKind(
    word="gallery-dl",
    forms=("gallery-dl:URL", "gallery-dl:PART:URL"),
    summary="What gallery-dl lists, run as a program of its own behind the guard; it downloads nothing.",
    example="gallery-dl:mastodon:https://mastodon.example/@someone",
    parse=_parse,
    obstacle=_obstacle,
)
