"""A gallery's reverse search (`POST /reverse_search`), and proof that it sees.

The contract is ambience's: the file is `image`, `find_duplicate` is `1`; the answer is `{}` or
`{"duplicate": [{"image_id": …, "distance": …}]}`. While its helper is down, ambience answers as if it had found
nothing. So an empty answer counts only between two look-ups that found a picture that is known to be there: the canary.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog
from yarl import URL

from services.crawler.gates.gallery import GalleryMatch
from services.crawler.receivers.receiver_client import Answer, NoAnswer, ReceiverClient
from services.servicekit.errors import LodestoneError, Unavailable

MAX_BYTES: Final = 50_000_000
_AT_ONCE: Final = 4


class SearchBlind(LodestoneError):
    """Nobody can tell what the gallery has: its answer is none, or it does not find the canary."""


@dataclass(frozen=True, slots=True)
class SearchTimes:
    """How long things take, seconds.

    Attributes:
        answer_s: For one answer.
        fresh_s: So long before a look-up the canary may have been found.
        first_s: The wait after a first look-up that failed; it doubles.
        last_s: The longest wait.
        patience_s: After so long an image is given back.
        log_every_s: Between two lines in the log.
    """

    answer_s: float = 30.0
    fresh_s: float = 10.0
    first_s: float = 1.0
    last_s: float = 15.0
    patience_s: float = 120.0
    log_every_s: float = 60.0


class GallerySearch:
    """Looks images up, four at a time. Belongs to one event loop."""

    def __init__(
        self, client: ReceiverClient, url: URL, canary: bytes, times: SearchTimes | None = None
    ) -> None:
        """Takes the address of the search, and the bytes of a picture that the gallery has."""
        self._client = client
        self._url = url
        self._canary = canary
        self._times = times or SearchTimes()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._vouching = asyncio.Lock()
        self._vouched_s = -math.inf
        self._logged_s = -math.inf

    async def find(self, encoded: bytes) -> GalleryMatch | None:
        """The nearest picture that the gallery holds to be the same; None if it has none.

        Raises:
            Unavailable: For longer than the patience nobody could tell.
        """
        deadline_s = time.monotonic() + self._times.patience_s
        delay_s = self._times.first_s
        while True:
            try:
                return await self._find(encoded)
            except (NoAnswer, SearchBlind) as error:
                self._log(error)
                if time.monotonic() + delay_s >= deadline_s:
                    dependency = "the gallery's reverse search"
                    raise Unavailable(dependency, str(error)) from error
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, self._times.last_s)

    async def _find(self, encoded: bytes) -> GalleryMatch | None:
        await self._vouch(time.monotonic() - self._times.fresh_s)
        match = await self._ask(encoded)
        if match is None:
            # Whoever waits for the same proof shares it.
            await self._vouch(time.monotonic())
        return match

    async def _vouch(self, since_s: float) -> None:
        """Passes if the canary was found by a look-up that began no earlier."""
        async with self._vouching:
            if self._vouched_s >= since_s:
                return
            began_s = time.monotonic()
            if await self._ask(self._canary) is None:
                raise SearchBlind("it does not find the canary, which it has")
            self._vouched_s = began_s

    async def _ask(self, encoded: bytes) -> GalleryMatch | None:
        form = aiohttp.FormData()
        form.add_field("find_duplicate", "1")
        form.add_field("image", encoded, filename="image", content_type="application/octet-stream")
        async with self._turns:
            answer = await self._client.post(self._url, form, total_s=self._times.answer_s)
        return read_matches(answer)

    def _log(self, error: LodestoneError) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= self._times.log_every_s:
            self._logged_s = now_s
            structlog.get_logger().warning("gallery_away", cause=str(error))


def read_matches(answer: Answer) -> GalleryMatch | None:
    """The nearest match of an answer; None for `{}` alone.

    Raises:
        SearchBlind: It is anything that the contract does not have: what was not understood is not "nothing found".
    """
    if answer.status != 200:
        raise SearchBlind(f"it answered HTTP {answer.status}")
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise SearchBlind("its answer is no JSON") from error
    if found == {}:
        return None
    try:
        matches = [_match(one) for one in found["duplicate"]]
        return min(matches, key=lambda match: match.distance)
    except (KeyError, TypeError, ValueError) as error:
        raise SearchBlind("its answer is not what a reverse search answers") from error


def _match(one: Any) -> GalleryMatch:
    image_id, distance = one["image_id"], one["distance"]
    is_number = isinstance(distance, int | float) and not isinstance(distance, bool)
    if type(image_id) is not int or not is_number or not math.isfinite(distance):
        message = "a match has an id and a distance"
        raise ValueError(message)
    return GalleryMatch(image_id, float(distance))
