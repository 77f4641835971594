"""Kills crawlers, and what is around them, until a plan is carried out; crawls go on and are compared all the while."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial

import psutil

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from services.crawler.store.blob_store import StoreAway
from services.servicekit.server import EXIT_BROKEN
from tests.faults.crawlers import START_S
from tests.faults.kill_plan import plan_kills, plan_purge_kills
from tests.faults.places import off_loop
from tests.faults.rig import Work

_WORKER = "services.crawler.decoding.worker"
_SIGKILLED = -signal.SIGKILL
# No crawl comes to a point in less: it waits for what was killed beside the crawler.
_TRAP_S = 60.0
# How long a store may answer with errors after it was started again.
_STORE_S = 120.0


@dataclass
class Killed:
    """What a loop did, and what came of it.

    Attributes:
        kills: By process and place.
        crawls: Crawls that ended as an undisturbed one does.
        listings: Their listings, each of which had one outcome.
        images: What is kept of them, each image once.
        orphans: Bytes without a row that were left: no loss, and nothing collects them.
        checks: Full checks in between, which found nothing.
        starts_s: From a start to the first answer, seconds.
        seconds: The whole loop.
        summary: What the last, deep check says of itself.
    """

    kills: Counter = field(default_factory=Counter)
    crawls: int = 0
    listings: int = 0
    images: int = 0
    orphans: int = 0
    checks: int = 0
    starts_s: list = field(default_factory=list)
    seconds: float = 0.0
    summary: dict = field(default_factory=dict)


class KillLoop:
    """Carries out a plan on a rig."""

    def __init__(self, rig, expected, *, check_every=1):
        """Takes how a batch ends, and after how many kills everything is checked in full."""
        self._rig, self._expected, self._check_every = rig, expected, check_every
        self._done = Killed()

    async def run(self, count, seed):
        """Kills so many crawlers, others beside them and three in purges; an AssertionError says what is wrong."""
        began = time.monotonic()
        place = self._rig.place
        others = ["decoder", "models"]
        others += ["PostgreSQL", "SeaweedFS"] if hasattr(place, "postgres") else []
        work = Work(self._rig, self._expected)
        try:
            for number, kill in enumerate(plan_kills(place.points, others, count=count, seed=seed)):
                await self._live(work, kill)
                if number % self._check_every == 0:
                    await self._check(work)
            crawler = self._rig.start()
            await work.finish()
        finally:
            await work.cancel()
        await _end(crawler)
        await self._purge(work)
        await self._conclude(work)
        self._done.seconds = time.monotonic() - began
        return self._done

    async def _live(self, work, kill):
        """One life of a crawler."""
        crawler = self._rig.start(kill.trap)
        ended = asyncio.wrap_future(crawler.ended)
        try:
            if kill.beside:
                await asyncio.wait({ended}, timeout=kill.beside_s)
                await self._kill_beside(crawler, kill.beside)
            if kill.trap is None:
                await asyncio.wait({ended}, timeout=kill.life_s)
                crawler.signal(signal.SIGKILL)
            await work.until(ended, timeout_s=_TRAP_S)
            status = await crawler.wait()
        except TimeoutError:
            raise AssertionError(f"it never came to {kill}:\n{self._rig.tail()}") from None
        finally:
            crawler.signal(signal.SIGKILL)
        if status == EXIT_BROKEN and kill.beside:
            # What it needs to start was away: whoever supervises it starts it again.
            await self._live(work, replace(kill, beside=""))
            return
        assert status == _SIGKILLED, f"{kill}: status {status}\n{self._rig.tail()}"
        self._done.kills["crawler", kill.where] += 1

    async def _kill_beside(self, crawler, what):
        place = self._rig.place
        match what:
            case "decoder":
                if not _kill_decoder(crawler):
                    return
            case "models":
                model = self._rig.models[0]
                model.kill()
                model.start()
            case "PostgreSQL":
                await off_loop(place.postgres.stop, "killed")
                await off_loop(place.postgres.start)
            case "SeaweedFS":
                await off_loop(place.s3_server.stop)
                await off_loop(place.s3_server.start)
        self._done.kills[what, "under load"] += 1

    async def _problems(self, **terms):
        """A store that was killed a moment ago may still answer with errors: that is no verdict on what it has."""
        async with asyncio.timeout(_STORE_S):
            while True:
                try:
                    return await off_loop(self._rig.place.problems, **terms)
                except StoreAway:
                    await asyncio.sleep(1.0)

    async def _check(self, work):
        place = self._rig.place
        # A crawler may die before it has made a catalogue.
        if not work.settled and not await off_loop(place.exists):
            return
        found = await self._problems()
        assert found == [], f"{found}\n{self._rig.tail()}"
        self._done.checks += 1

    async def _purge(self, work):
        """A purge is killed at each of its points, and done by the next start."""
        place = self._rig.place
        for trap in plan_purge_kills():
            digest = (await off_loop(place.kept_digests))[0]
            names = await off_loop(place.names_of, digest)
            crawler = self._rig.start(trap)
            purging = asyncio.create_task(self._rig.ask(partial(_purge, digest)))
            assert await crawler.wait(START_S) == _SIGKILLED
            self._done.kills["crawler", trap.point] += 1
            purging.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await purging
            began = time.monotonic()
            crawler = self._rig.start()
            await self._rig.until_there()
            self._done.starts_s.append(time.monotonic() - began)
            await _end(crawler)
            assert digest not in await off_loop(place.kept_digests)
            assert await off_loop(place.files_of, digest, names) == []
        self._done.crawls = work.batches

    async def _conclude(self, work):
        place, done = self._rig.place, self._done
        batch = self._rig.batch
        done.listings, done.images = work.settled, await off_loop(place.image_count)
        assert done.listings == work.batches * len(batch.names)
        assert done.images == work.batches * batch.finds - len(plan_purge_kills())
        found = await self._problems(grace_s=0.0)
        assert {kind for kind, _ in found} <= {"ORPHAN"}, found
        done.orphans = len(found)
        done.summary = await off_loop(place.verify_deep, self._rig.models[0].address)


async def _purge(digest, client):
    return [image async for image in client.purge_images(pb.PurgeImagesRequest(digests=[digest]))]


async def _end(crawler):
    crawler.signal(signal.SIGTERM)
    assert await crawler.wait() == 0


def _kill_decoder(crawler):
    """Kills a decoder of a crawler; False if it has none just now."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(crawler.pid).children():
            if _WORKER in child.cmdline():
                child.kill()
                return True
    return False
