"""All crawls of this crawler: creates, starts, pauses and ends them, and tells who watches."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from services.crawler.catalogue import crawl_sources, crawls, priorities, refetches
from services.crawler.catalogue.beginning import give_back_all
from services.crawler.catalogue.crawls import Crawl, CrawlLimits, CrawlRequest, CrawlState
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.outage import CatalogueAway
from services.crawler.crawl.crawl_run import CrawlRun, RunParts, RunTerms
from services.crawler.crawl.pipeline import Pipeline, PipelineParts
from services.crawler.crawl.priority_moves import PriorityMoves
from services.crawler.judgement import ProfileVersion
from services.crawler.models.model_services import ModelServices
from services.crawler.score_distribution import ScoreBins
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.source import Source
from services.servicekit.errors import (
    Broken,
    FailedPrecondition,
    InvalidInput,
    LodestoneError,
    NotFound,
    Unavailable,
)

ParseSource = Callable[[str], Source]
# As a person wrote it, and how it is listed.
ChosenSource: TypeAlias = tuple[str, SourceSettings]

_AWAY_RETRY_S = 1.0
# How often it is looked what other crawlers were told.
_FOLLOW_S = 1.0


@dataclass(frozen=True, slots=True)
class _Run:
    crawl: Crawl
    task: asyncio.Task[None]


class CrawlBoard:
    """Runs every crawl that is RUNNING as one task: alone, or with other crawlers. Belongs to one event loop."""

    def __init__(
        self,
        parts: PipelineParts,
        models: ModelServices,
        parse_source: ParseSource,
        terms: RunTerms,
    ) -> None:
        self._terms = terms
        self._parts = parts
        self._models = models
        self._parse_source = parse_source
        self._runs: dict[str, _Run] = {}
        # Of these, those that wait for no model service.
        self._working: dict[str, CrawlRun] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._away = ""
        self._refetching = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._moves = PriorityMoves(parts.database)
        # Counts what this crawler was told, or ended by itself.
        self._told = 0

    async def start(self) -> None:
        """Goes on with what an earlier process left, and joins in what other crawlers do."""
        if not self._database.is_shared:
            # On a server whoever begins alone has done that before others could come.
            await self._database.run(give_back_all)
        await self._parts.recorder.make_missing_links()
        await self._follow()
        if self._database.is_shared:
            self._following = asyncio.create_task(self._keep_following())

    async def create(
        self, request_id: str, sources: Sequence[ChosenSource], profile: str, limits: CrawlLimits
    ) -> Crawl:
        """Creates and starts a crawl, or returns the one that the request_id made before.

        Raises:
            InvalidInput: A source cannot be understood.
            NotFound: There is no such profile.
            FailedPrecondition: The profile is of another encoder than the one that is served, or of another precision
                and verdicts move between the two.
            Unavailable: The novelty service or the embedder is away.
        """
        settings = self._canonical(sources)
        facts = await self._models.profile(profile)
        served = await self._models.encoder()
        await self._parts.inspector.precision.require(facts.profile, served)
        request = CrawlRequest(request_id, tuple(settings), facts.profile, limits, settings)
        crawl_id, now = uuid.uuid4().hex[:12], time.time()
        crawl = await self._database.run(
            lambda c: crawls.create_crawl(c, crawl_id, request, now=now)
        )
        if crawl.state is CrawlState.RUNNING:
            self._begin(crawl)
        return crawl

    async def add_sources(self, crawl_id: str, sources: Sequence[ChosenSource]) -> Crawl:
        """Adds sources to a crawl; those that it has already take the new settings.

        Raises:
            InvalidInput: A source cannot be understood.
            NotFound: There is no such crawl.
            FailedPrecondition: It has ended.
        """
        settings = self._canonical(sources)
        crawl = await self.get(crawl_id)
        _require_going(crawl)
        # Its listers are made when a run begins.
        await self._end_run(crawl_id)
        await self._database.run(
            lambda c: crawl_sources.add_sources(c, crawl_id, tuple(settings), settings)
        )
        if crawl.state is CrawlState.RUNNING:
            self._begin(await self.get(crawl_id))
        self._announce(crawl_id)
        return await self.get(crawl_id)

    async def set_priority(self, crawl_id: str, sources: Sequence[str], priority: int) -> Crawl:
        """Gives sources of a crawl a priority, all of them if none is named. What is leased already stays as it is.

        What is to do has it when this returns, or follows in the background if it is very much.

        Raises:
            InvalidInput: The priority is out of range, or a source cannot be understood.
            NotFound: There is no such crawl, or it has no such source.
            FailedPrecondition: It has ended, or has no sources at all.
        """
        crawl = await self.get(crawl_id)
        _require_going(crawl)
        # As it is called in the crawl: a folder that is gone is understood, too.
        uris = [
            uri if uri in crawl.request.sources else self._parse_source(uri).uri for uri in sources
        ]
        await self._database.run(
            partial(priorities.set_priority, crawl_id=crawl_id, uris=uris, priority=priority)
        )
        self._prioritise(await self.get(crawl_id))
        await self._moves.move(crawl_id)
        self._announce(crawl_id)
        return await self.get(crawl_id)

    async def fetch_again(
        self,
        profile: ProfileVersion,
        listing_ids: Sequence[int],
        *,
        release: Callable[[Connection], None] = lambda _connection: None,
    ) -> Crawl:
        """Leases known listings again for a profile version: by a crawl without sources, one of which is going at most.

        It is made if there is none, and goes on if it is paused. Doing it again changes nothing. `release` runs in the
        same transaction, before; what it raises leaves everything as it was.
        """
        # Two at a time would both make one; and a run that ends just then would leave the listings behind.
        async with self._refetching:
            going = await self._database.run(partial(refetches.find_refetch, profile=profile))
            if going is not None:
                await self._end_run(going)
            crawl_id, now = uuid.uuid4().hex[:12], time.time()

            def work(connection: Connection) -> Crawl:
                release(connection)
                return refetches.refetch(connection, crawl_id, profile, listing_ids, now=now)

            try:
                crawl = await self._database.run(work)
            except LodestoneError:
                await self._go_on(going)
                raise
            self._begin(crawl)
        self._announce(crawl.crawl_id)
        return crawl

    async def require_profile(self, profile: str) -> None:
        """Passes a profile that is there.

        Raises:
            NotFound: It is not.
            Unavailable: The novelty service is away.
        """
        await self._models.profile(profile)

    async def get(self, crawl_id: str) -> Crawl:
        """Returns a crawl; while it runs, its reason says what it waits for.

        Raises:
            NotFound: There is none.
        """
        crawl = await self._database.run(lambda c: crawls.get_crawl(c, crawl_id))
        if crawl.state is CrawlState.RUNNING:
            waits = [self._away, self._models.waiting_for, self._parts.recorder.waiting_for]
            if crawl_id in self._working:
                waits.append(self._working[crawl_id].waiting_for)
            return replace(crawl, state_reason=next(filter(None, waits), ""))
        return crawl

    async def pause(self, crawl_id: str) -> Crawl:
        """Stops a crawl until it is resumed.

        Raises:
            FailedPrecondition: It has ended.
        """
        return await self._stop(crawl_id, CrawlState.PAUSED)

    async def cancel(self, crawl_id: str) -> Crawl:
        """Ends a crawl for good.

        Raises:
            FailedPrecondition: It has completed or failed.
        """
        return await self._stop(crawl_id, CrawlState.CANCELLED)

    async def resume(self, crawl_id: str) -> Crawl:
        """Lets a paused crawl go on.

        Raises:
            FailedPrecondition: It has ended.
        """
        crawl = await self.get(crawl_id)
        _require_going(crawl)
        await self._set_state(crawl_id, CrawlState.RUNNING, "")
        self._begin(await self.get(crawl_id))
        return await self.get(crawl_id)

    def changes(self, crawl_id: str) -> asyncio.Event:
        """An event that is set at the crawl's next change; ask again for the one after."""
        return self._changed.setdefault(crawl_id, asyncio.Event())

    async def close(self) -> None:
        """Stops all runs; their crawls stay RUNNING and go on at the next start, or with other crawlers."""
        tasks = [run.task for run in self._runs.values()]
        if self._following is not None:
            tasks.append(self._following)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._moves.close(), return_exceptions=True)
        await self._parts.recorder.close()

    @property
    def _database(self) -> Database:
        return self._parts.database

    async def _keep_following(self) -> None:
        """Does what was told to other crawlers: they write it into the catalogue alone."""
        while True:
            await asyncio.sleep(_FOLLOW_S)
            try:
                await self._follow()
            except (LodestoneError, SQLAlchemyError) as error:
                structlog.get_logger().warning("crawls_not_followed", cause=str(error))

    async def _follow(self) -> None:
        told = self._told
        running = await self._database.run(crawls.list_running)
        if told != self._told:
            # Something was told to this crawler meanwhile, and may not be in what was read.
            return
        going = {crawl.crawl_id: crawl for crawl in running}
        for crawl_id, run in list(self._runs.items()):
            if crawl_id not in going or _chosen(going[crawl_id]) != _chosen(run.crawl):
                await self._end_run(crawl_id)
        for crawl in running:
            self._begin(crawl)
            self._prioritise(crawl)
        for crawl_id in list(self._changed):
            self._announce(crawl_id)

    def _prioritise(self, crawl: Crawl) -> None:
        if crawl.crawl_id in self._working:
            self._working[crawl.crawl_id].prioritise(crawl)

    def _begin(self, crawl: Crawl) -> None:
        if crawl.crawl_id not in self._runs:
            self._told += 1
            task = asyncio.create_task(self._run(crawl))
            self._runs[crawl.crawl_id] = _Run(crawl, task)
            task.add_done_callback(lambda _: self._runs.pop(crawl.crawl_id, None))

    async def _run(self, crawl: Crawl) -> None:
        log = structlog.get_logger().bind(crawl_id=crawl.crawl_id)
        try:
            state, reason = await self._work(crawl)
        except FailedPrecondition as error:
            # The profile's files are damaged: they may be restored.
            state, reason = CrawlState.PAUSED, str(error)
        except (InvalidInput, NotFound) as error:
            # A folder, file or profile that was there when the crawl was created may be gone after a restart.
            state, reason = CrawlState.FAILED, str(error)
        except (Broken, CatalogueAway) as error:
            # The process ends, and the next one goes on with the crawl.
            log.warning("crawl_left", cause=str(error))
            return
        except Exception as error:
            log.exception("crawl_broke")
            state, reason = CrawlState.FAILED, f"internal error: {type(error).__name__}"
        log.info("crawl_ended", state=state.value, reason=reason)
        await self._set_state(crawl.crawl_id, state, reason)

    async def _work(self, crawl: Crawl) -> tuple[CrawlState, str]:
        bins = await self._wait_for_models(crawl.request.profile)
        owner = uuid.uuid4().hex
        pipeline = Pipeline(self._parts, crawl, owner, bins)
        parts = RunParts(self._database, owner, self._terms)
        sources = [self._parse_source(uri) for uri in crawl.request.sources]
        run = self._working[crawl.crawl_id] = CrawlRun(crawl, pipeline, parts)
        try:
            return await run.run(sources, lambda: self._announce(crawl.crawl_id))
        finally:
            del self._working[crawl.crawl_id]

    async def _wait_for_models(self, profile: ProfileVersion) -> ScoreBins:
        """Waits until all of them answer. Returns where scores under the profile are counted."""
        while True:
            try:
                await self._parts.inspector.refresh()
                scores = await self._models.profile_scores(profile)
            except Unavailable as error:
                if not self._away:
                    structlog.get_logger().warning("service_away", cause=str(error))
                self._away = str(error)
                await asyncio.sleep(_AWAY_RETRY_S)
            else:
                self._away = ""
                return ScoreBins.of(scores)

    async def _stop(self, crawl_id: str, state: CrawlState) -> Crawl:
        crawl = await self.get(crawl_id)
        if crawl.state is state:
            return crawl
        _require_going(crawl)
        await self._end_run(crawl_id)
        await self._set_state(crawl_id, state, "")
        return await self.get(crawl_id)

    async def _go_on(self, crawl_id: str | None) -> None:
        """Begins a run again that was ended for nothing."""
        if crawl_id is not None:
            crawl = await self._database.run(partial(crawls.get_crawl, crawl_id=crawl_id))
            if crawl.state is CrawlState.RUNNING:
                self._begin(crawl)

    async def _end_run(self, crawl_id: str) -> None:
        self._told += 1
        run = self._runs.get(crawl_id)
        if run is not None:
            run.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run.task

    def _canonical(self, sources: Sequence[ChosenSource]) -> dict[str, SourceSettings]:
        """Settings by canonical URI; of a place that is named twice the last count."""
        return {self._parse_source(uri).uri: settings for uri, settings in sources}

    async def _set_state(self, crawl_id: str, state: CrawlState, reason: str) -> None:
        self._told += 1
        await self._database.run(lambda c: crawls.set_state(c, crawl_id, state, reason))
        self._announce(crawl_id)

    def _announce(self, crawl_id: str) -> None:
        event = self._changed.pop(crawl_id, None)
        if event is not None:
            event.set()


def _chosen(crawl: Crawl) -> object:
    """What a run is made of: if it changes, another run is to be made. Priorities it looks up itself."""
    settings = crawl.request.settings.items()
    return crawl.request.sources, {uri: one.without_priority for uri, one in settings}


def _require_going(crawl: Crawl) -> None:
    if crawl.state.ended:
        message = f"crawl {crawl.crawl_id} has ended: it is {crawl.state}"
        raise FailedPrecondition(message)
