"""Fits at work: one at a time beside the event loop, each request once however often it is sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from services.novelty.fit.liked_set import FitOptions, LikedSet
from services.novelty.fit.refit import inherited, refit
from services.novelty.fit.submission import Submission
from services.novelty.liked_images import Learned
from services.novelty.profile import Profile, ProfileReference
from services.novelty.stored.addition_store import AdditionStore
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_store import ProfileStore, RefitBase
from services.novelty.thumbnails import Thumbnail, carried_over
from services.servicekit.errors import Overloaded


class Fit(Protocol):
    """Fits a taste; see `fitting.learn`."""

    def __call__(
        self, liked_set: LikedSet, options: FitOptions, *, stopped: Callable[[], bool]
    ) -> Learned:
        """Returns what it learned, or raises once `stopped` says so."""


class FitJobs:
    """Runs at most `limit` fits at a time, those that wait for the one thread included.

    A fit goes on when its caller has gone: the same request, sent again, finds it at work or done.
    """

    def __init__(self, store: ProfileStore, fit: Fit, *, limit: int, max_liked: int) -> None:
        """Fits to at most `max_liked` liked images, after a refit too."""
        self._store = store
        self._fit = fit
        self._limit = limit
        self._max_liked = max_liked
        self._running: dict[str, asyncio.Task[Profile]] = {}
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fit")

    async def run(self, sent: Submission, options: FitOptions) -> Profile:
        """Fits and stores a profile, or returns the one that the request made before.

        Raises:
            Overloaded: Too many fits are at work or waiting.
            InvalidInput: The fit refuses the embeddings or options.
            NotFound: There is no such base profile.
            FailedPrecondition: It is damaged, or does not keep its liked images.
        """
        task = self._running.get(options.request_id)
        if task is None:
            if len(self._running) >= self._limit:
                raise Overloaded("fit", self._limit)
            task = asyncio.create_task(self._run(sent, options))
            self._running[options.request_id] = task
            task.add_done_callback(lambda done: self._finished(options.request_id, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stops the fits between two of their steps and waits for that."""
        self._stopped.set()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._thread.shutdown(wait=True)

    async def _run(self, sent: Submission, options: FitOptions) -> Profile:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._work, sent, options)

    def _work(self, sent: Submission, options: FitOptions) -> Profile:
        stored = self._store.find(options.request_id)
        if stored is not None:
            return stored
        if options.base_profile:
            return self._refit(sent, options)
        return self._store_fit(sent.to_liked_set(), options, None)

    def _refit(self, sent: Submission, options: FitOptions) -> Profile:
        reference = ProfileReference.parse(options.base_profile)
        version = reference.version or self._store.newest_version(reference.name)
        base = self._store.load(reference.name, version)
        liked = self._store.liked_images(base.name, base.version)
        again = refit(base, liked, sent, max_liked=self._max_liked)
        asked = inherited(options, base.taste)
        thumbnails = self._staying_thumbnails(base, again.kept.tolist())
        return self._store_fit(again.liked_set, asked, RefitBase(str(base), thumbnails))

    def _staying_thumbnails(self, base: Profile, kept: list[int]) -> tuple[Thumbnail, ...]:
        position_of = {position: place for place, position in enumerate(kept)}
        try:
            return carried_over(AdditionStore(self._store).thumbnails(base), position_of)
        except ProfileDamaged as error:
            structlog.get_logger().warning("thumbnails_not_carried_over", cause=str(error))
            return ()

    def _store_fit(
        self, liked_set: LikedSet, options: FitOptions, base: RefitBase | None
    ) -> Profile:
        learned = self._fit(liked_set, options, stopped=self._stopped.is_set)
        return self._store.save(
            learned.taste,
            name=options.name,
            request_id=options.request_id,
            liked=learned.liked,
            base=base,
        )

    def _finished(self, request_id: str, task: asyncio.Task[Profile]) -> None:
        del self._running[request_id]
        # Looked at here too, for the caller may have gone.
        error = None if task.cancelled() else task.exception()
        if error is not None:
            structlog.get_logger().warning("fit_failed", request_id=request_id, cause=str(error))
