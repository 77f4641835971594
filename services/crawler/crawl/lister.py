"""Lists one source of a crawl: posts to gates, to listings, to the frontier, and the cursor behind them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from services.crawler.catalogue import crawl_sources
from services.crawler.catalogue.clock import catalogue_time
from services.crawler.catalogue.crawl_sources import (
    CrawlSource,
    Progress,
    RoomTaken,
    SourceState,
    Standing,
)
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.frontier import LeaseTerms
from services.crawler.crawl.listing_turns import ListingTurns
from services.crawler.listing import Listing
from services.crawler.outcome import FetchFailed
from services.crawler.post import Post
from services.crawler.post_rules import PostGates, PostReason
from services.crawler.resolvers.follow import follow
from services.crawler.resolvers.resolution import NOT_KNOWN, NOTHING, Answer, Ask, Images
from services.crawler.sources.source import Batch, Source, SourceBlocked, SourceFailed

_FLUSH_POSTS = 100
_FLUSH_S = 1.0
_ASKING_AT_ONCE = 4
# What nomad waited on top when a page had nothing new.
_EMPTY_POLL_S = 20.0
_ALERT_EMPTY_POLLS = 50
_FIRST_RETRY_S = 30.0
_LAST_RETRY_S = 3_600.0
# A source that asks to be left alone for longer is not waited for, unless it is followed.
_PATIENCE_S = 900.0
_FACTS_MAX_CHARACTERS = 8_192
_HANDLED_MAX = 5_000
# Made once: `json.dumps` with other settings than its own makes one for each value.
_ENCODE = json.JSONEncoder(allow_nan=False).encode

Resolve = Callable[[Ask], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Room:
    """What a source may add to a crawl just now.

    Attributes:
        is_full: Whether it has to wait: enough is to do that goes before it, or with it.
        left: How many listings the crawl may still have; None for no limit.
        priority: The source's, now.
    """

    is_full: bool = False
    left: int | None = None
    priority: int = 0


class EnoughListings(Exception):
    """The crawl has as many listings as it was asked for."""


@dataclass(frozen=True)
class ListerParts:
    """What the listers of a crawl share.

    Attributes:
        database: The catalogue.
        crawl_id: The crawl.
        owner: The name under which sources are leased.
        lease_s: For how long, seconds.
        answer: Gets what resolvers ask for.
        room: Looks whether there is room for the source at a position; takes a moment if there is none.
        changed: Called when a source's state or counts change.
        look_s: How often to look whether a source that another crawler lists is free, seconds.
        turns: Who records the next listings that the crawl has room for.
    """

    database: Database
    crawl_id: str
    owner: str
    lease_s: float
    answer: Resolve
    room: Callable[[int], Awaitable[Room]]
    changed: Callable[[], None] = lambda: None
    look_s: float = 1.0
    turns: ListingTurns = field(default_factory=ListingTurns)


@dataclass
class _Pending:
    """Posts whose listings are not recorded yet."""

    listings: list[Listing] = field(default_factory=list)
    counts: Counter[PostReason | None] = field(default_factory=Counter)
    cursor: str = ""
    gap: str = ""
    skipped_count: int = 0
    began: float = field(default_factory=time.monotonic)

    def progress(
        self, part: Sequence[Listing], *, is_first: bool, is_last: bool, relists: bool
    ) -> Progress:
        """Some of the listings: the counts go with the first of them, the cursor with the last."""
        cursor = self.cursor if is_last else ""
        if not is_first:
            return Progress(part, cursor, relists=relists)
        return Progress(part, cursor, self.skipped_count, self.gap, dict(self.counts), relists)

    @property
    def is_due(self) -> bool:
        posts = self.counts.total() + self.skipped_count
        return posts >= _FLUSH_POSTS or time.monotonic() - self.began >= _FLUSH_S


class Lister:
    """Lists a source once, or again and again."""

    def __init__(self, source: Source, place: CrawlSource, parts: ListerParts) -> None:
        self._source = source
        self._place = place
        self._settings = place.settings
        self._parts = parts
        self._gates = PostGates(place.settings.rules)
        self._log = structlog.get_logger().bind(crawl_id=parts.crawl_id, source=source.uri)
        # Looks overlap: what this lister had is neither counted nor resolved again.
        self._handled: dict[str, None] = {}

    async def run(self) -> str:
        """Lists until the source is done; returns why it could not be, one sentence, or empty.

        Raises:
            EnoughListings: The crawl has its fill.
            LeaseLost: Another crawler lists the source now.
        """
        if self._place.state is SourceState.DONE:
            return ""
        ended = await self._acquire()
        if ended is not None:
            return ended
        empty = failures = 0
        while True:
            try:
                new_count = await self._look()
            except SourceFailed as failure:
                failures += 1
                wait_s = self._wait_after(failure, failures)
                await self._stand_failed(failure, wait_s)
                if wait_s is None:
                    return str(failure)
                await asyncio.sleep(wait_s)
                continue
            failures = 0
            empty = 0 if new_count else empty + 1
            if not self._settings.follow or 0 < self._settings.max_empty_polls <= empty:
                await self._stand(lambda now: Standing(SourceState.DONE, list_time=now))
                return ""
            await self._wait_for_news(empty)

    async def _acquire(self) -> str | None:
        """Waits until the source is this lister's and it is time to look at it; else returns how another ended it."""
        waited = False
        while True:
            place, is_mine, wait_s = await self._parts.database.run(self._try_to_acquire)
            if place.state is SourceState.DONE:
                return ""
            if waited and place.is_given_up:
                return place.state_reason
            if is_mine:
                if wait_s:
                    await asyncio.sleep(wait_s)
                return None
            waited = True
            await asyncio.sleep(self._parts.look_s)

    def _try_to_acquire(self, connection: Connection) -> tuple[CrawlSource, bool, float]:
        """How the source stands, whether it is this lister's now, and how long it is to be left alone, seconds."""
        crawl_id, position = self._parts.crawl_id, self._place.position
        place = crawl_sources.get_source(connection, crawl_id, position)
        terms = self._terms(connection)
        is_mine = place.state is not SourceState.DONE and crawl_sources.acquire(
            connection, crawl_id, position, terms
        )
        return place, is_mine, max(0.0, (place.next_poll_time or 0.0) - terms.now)

    def _terms(self, connection: Connection) -> LeaseTerms:
        return LeaseTerms(self._parts.owner, catalogue_time(connection), self._parts.lease_s)

    async def _wait_for_news(self, empty: int) -> None:
        if empty == _ALERT_EMPTY_POLLS:
            self._log.warning("no_news", polls=empty)
        wait_s = self._settings.poll_s or self._source.poll_s
        if empty and self._settings.poll_s is None:
            wait_s += _EMPTY_POLL_S
        await self._stand(
            lambda now: Standing(SourceState.WAITING, next_poll_time=now + wait_s, list_time=now)
        )
        await asyncio.sleep(wait_s)

    def _wait_after(self, failure: SourceFailed, failures: int) -> float | None:
        """For how long to leave the source alone, seconds; None to give it up."""
        asked_s = failure.retry_s if isinstance(failure, SourceBlocked) else None
        backoff_s = min(_FIRST_RETRY_S * 2.0 ** (failures - 1), _LAST_RETRY_S)
        if self._settings.follow:
            return max(asked_s or 0.0, backoff_s)
        is_short = asked_s is not None and asked_s <= _PATIENCE_S
        return asked_s if is_short and failures <= 3 else None

    async def _stand_failed(self, failure: SourceFailed, wait_s: float | None) -> None:
        blocked = isinstance(failure, SourceBlocked)
        self._log.warning(
            "source_blocked" if blocked else "source_failed", cause=failure.cause, retry_s=wait_s
        )
        await self._stand(
            lambda now: Standing(
                SourceState.BLOCKED if blocked else SourceState.FAILED,
                str(failure),
                failure.reason if isinstance(failure, SourceBlocked) else None,
                None if wait_s is None else now + wait_s,
            )
        )

    async def _stand(self, standing: Callable[[float], Standing]) -> None:
        def work(connection: Connection) -> None:
            crawl_sources.set_standing(
                connection,
                self._parts.crawl_id,
                self._place.position,
                self._parts.owner,
                standing(catalogue_time(connection)),
            )

        await self._parts.database.run(work)
        self._parts.changed()

    async def _look(self) -> int:
        """Lists what there is now; returns how many listings are new to the crawl."""
        owner = self._parts.owner
        place = await self._parts.database.run(
            lambda c: crawl_sources.begin_look(c, self._parts.crawl_id, self._place.position, owner)
        )
        relists, new_count, pending = not place.cursor, 0, _Pending()
        if relists:
            self._handled.clear()
        try:
            async with aclosing(self._source.list_posts(place.cursor)) as batches:
                async for batch in batches:
                    await self._take(batch, pending)
                    if pending.is_due:
                        new_count += await self._flush(pending, relists=relists)
                        pending = _Pending()
        except SourceFailed:
            # What came before counts, in case that nobody looks again.
            await self._flush(pending, relists=relists)
            raise
        return new_count + await self._flush(pending, relists=relists)

    async def _take(self, batch: Batch, pending: _Pending) -> None:
        chosen = []
        for post in filter(self._is_new, batch.posts):
            reason = self._gates.turn_away(post)
            if reason is None:
                chosen.append(post)
            else:
                pending.counts[reason] += 1
        for post, images in zip(chosen, await self._resolve(chosen), strict=True):
            listings = self._listings(post, images)
            none = PostReason.NO_IMAGES if images.is_best else PostReason.UNRESOLVED
            pending.counts[None if listings else none] += 1
            pending.listings += listings
        pending.cursor = batch.cursor or pending.cursor
        pending.gap = batch.gap or pending.gap
        pending.skipped_count += batch.skipped_count

    def _is_new(self, post: Post) -> bool:
        """Whether this lister has not had the post; remembers it."""
        if not post.post_id:
            return True
        is_new = post.post_id not in self._handled
        self._handled[post.post_id] = None
        if len(self._handled) > _HANDLED_MAX:
            del self._handled[next(iter(self._handled))]
        return is_new

    async def _resolve(self, posts: Sequence[Post]) -> list[Images]:
        """The images of each post; some are asked for at a time, and most need no asking."""
        found = [post.images if isinstance(post.images, Images) else NOTHING for post in posts]
        asking = [number for number, post in enumerate(posts) if isinstance(post.images, Ask)]
        for start in range(0, len(asking), _ASKING_AT_ONCE):
            part = asking[start : start + _ASKING_AT_ONCE]
            answers = await asyncio.gather(*(self._images(posts[number]) for number in part))
            for number, images in zip(part, answers, strict=True):
                found[number] = images
        return found

    def _listings(self, post: Post, images: Images) -> list[Listing]:
        found = [(image.url.text, image.title) for image in images.images]
        if not found and post.url:
            found = [(post.url, "")]
        facts = _facts_text(post.facts) if found else ""
        return [self._listing(post, facts, url, title=title) for url, title in found]

    async def _images(self, post: Post) -> Images:
        assert post.images is not None
        try:
            found = await follow(post.images, self._parts.answer)
        except FetchFailed as failure:
            self._log.warning(
                "post_not_resolved", post=post.page_url or post.url, cause=str(failure)
            )
            return NOT_KNOWN
        if not found.is_best:
            self._log.info(
                "post_not_wholly_resolved", post=post.page_url or post.url, causes=found.causes
            )
        return found

    def _listing(self, post: Post, facts: str, url: str, *, title: str) -> Listing:
        page_url = post.page_url or (post.url if post.url != url else "")
        return Listing(
            source=self._source.uri,
            url=url,
            title=title or post.title,
            page_url=page_url,
            author=post.author,
            licence=post.licence,
            community=post.community,
            parents=post.parents,
            post_time=post.time,
            post_facts=facts,
        )

    async def _flush(self, pending: _Pending, *, relists: bool) -> int:
        """Records what is pending; the cursor moves only if all of it fits into the crawl."""
        rest, added, is_first = pending.listings, 0, True
        while True:
            # One lister at a time: another would count on the same room, and one has to ask for it.
            async with self._parts.turns.turn(self._place.position):
                found = await self._parts.room(self._place.position)
                self._parts.turns.prioritise({self._place.position: found.priority})
                if found.is_full:
                    continue
                room = found.left
                part, rest = (rest, []) if room is None else (rest[:room], rest[room:])
                progress = pending.progress(
                    part, is_first=is_first, is_last=not rest, relists=relists
                )
                try:
                    new_count = await self._record(progress, room)
                except RoomTaken:
                    rest = [*part, *rest]
                    continue
            added, is_first = added + new_count, False
            if room is not None and new_count >= room:
                raise EnoughListings
            if not rest:
                return added

    async def _record(self, progress: Progress, room: int | None) -> int:
        def work(connection: Connection) -> int:
            crawl_id = self._parts.crawl_id
            crawl_sources.require_room(connection, crawl_id, room)
            terms = self._terms(connection)
            return crawl_sources.record_progress(connection, crawl_id, self._place, terms, progress)

        added = await self._parts.database.run(work)
        if progress.gap:
            self._log.warning("listing_gap", gap=progress.gap)
        self._parts.changed()
        return added


def _facts_text(facts: Mapping[str, object]) -> str:
    """The facts as JSON; the longest are left out until the rest fits, and what is no JSON."""
    texts: dict[str, str] = {}
    for name, value in facts.items():
        with suppress(RecursionError, TypeError, ValueError):
            texts[name] = f"{_ENCODE(name)}: {_ENCODE(value)}"
    while sum(map(len, texts.values())) > _FACTS_MAX_CHARACTERS:
        del texts[max(texts, key=lambda name: len(texts[name]))]
    return f"{{{', '.join(texts.values())}}}" if texts else ""
