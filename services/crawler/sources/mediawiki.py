"""Asks a MediaWiki's api.php: batches that are whole, the waits that it asks for, the errors that it states.

Etiquette: https://www.mediawiki.org/wiki/API:Etiquette,
https://www.mediawiki.org/wiki/Wikimedia_APIs/Rate_limits (of 2026).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import structlog

from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.retry_after import read_retry_after
from services.crawler.resolvers.reading import elements, members, word
from services.crawler.sources.json_answer import JsonAnswer, ask_json
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed
from services.crawler.sources.text import clean_text

_FIXED = {"action": "query", "format": "json", "formatversion": "2", "curtimestamp": "1"}
# Of a replicated database: above this lag reading waits for writers (https://www.mediawiki.org/wiki/Manual:Maxlag_parameter).
_MAX_LAG_S = "5"
_LAG_WAIT_S = 5.0
_TRIES = 4
# A wiki that asks for more is left to the lister, which shows that it waits.
_PATIENCE_S = 120.0
_PARTS_MAX = 20
_BUSY = frozenset({"maxlag", "ratelimited"})


@dataclass(frozen=True, slots=True)
class WikiBatch:
    """Some pages, each with all that was asked for.

    Attributes:
        pages: As the API gives them (format version 2); none is fine even in the middle of a list.
        following: What to ask with for the next batch; empty behind the last. It stays good for days.
        time: The wiki's clock, ISO 8601; empty if it did not say.
        is_looping: Whether what follows was had before: the list is left here.
    """

    pages: tuple[dict[str, Any], ...]
    following: dict[str, str]
    time: str = ""
    is_looping: bool = False


class MediaWiki:
    """One wiki's API, for one source.

    Attributes:
        gap_s: Between requests of all sources, so that they are sent one after the other.
    """

    gap_s = 1.0

    def __init__(
        self,
        uri: str,
        api: str,
        tools: SourceTools,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Takes the source that asks, the public address of api.php, and what to ask and wait with."""
        self._uri = uri
        self._api = tools.api_base(api)
        self._tools = tools
        self._sleep = sleep

    async def batches(
        self, query: Mapping[str, str], following: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WikiBatch, None]:
        """Asks with a generator until its list ends, from where `following` of an earlier batch points.

        A continuation that was had before ends the list, with a warning.

        Raises:
            SourceFailed, SourceBlocked: As for `ask`.
        """
        seen: set[str] = set()
        at = dict(following or {})
        while True:
            batch = await self.batch(query, at)
            at = batch.following
            token = json.dumps(at, sort_keys=True)
            is_looping = token in seen
            if is_looping:
                structlog.get_logger().warning("listing_loops", source=self._uri, at=token[:200])
                at = {}
            seen.add(token)
            yield WikiBatch(batch.pages, at, batch.time, is_looping)
            if not at:
                return

    async def batch(
        self, query: Mapping[str, str], at: Mapping[str, str] | None = None
    ) -> WikiBatch:
        """One batch, of as many answers as it takes: what does not fit into one comes with the next.

        Raises:
            SourceFailed, SourceBlocked: As for `ask`.
        """
        pages: dict[object, dict[str, Any]] = {}
        following = dict(at or {})
        for _ in range(_PARTS_MAX):
            answer = await self.ask({**query, **following})
            if not _is_listing(answer):
                raise self.no_listing()
            for page in elements(members(answer.get("query")).get("pages")):
                _merge(pages, members(page))
            following = _words(answer.get("continue"))
            if answer.get("batchcomplete") is True or not following:
                clock = word(answer.get("curtimestamp"))
                return WikiBatch(tuple(pages.values()), following, clock)
        raise SourceFailed(self._uri, f"a batch is not complete after {_PARTS_MAX} answers")

    async def ask(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The answer to one query; waits up to three times for two minutes if the wiki is busy.

        Raises:
            SourceFailed: It cannot be had, or is an error.
            SourceBlocked: The wiki does not let us, or wants a longer rest.
        """
        url = f"{self._api}?{urlencode({**_FIXED, 'maxlag': _MAX_LAG_S, **query})}"
        for tries_left in reversed(range(_TRIES)):
            try:
                answer = await ask_json(
                    self._uri, DocumentRequest(url, gap_s=self.gap_s), self._tools
                )
                return self._body(answer)
            except SourceBlocked as blocked:
                wait_s = blocked.retry_s
                if not tries_left or wait_s is None or wait_s > _PATIENCE_S:
                    raise
                await self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def no_listing(self) -> SourceFailed:
        """The failure of an answer that is JSON and nothing that the API answers."""
        return SourceFailed(self._uri, "the wiki answered with something that is no listing")

    def _body(self, answer: JsonAnswer) -> dict[str, Any]:
        """An answer that is no error; errors come with status 200 (https://www.mediawiki.org/wiki/API:Errors_and_warnings)."""
        error = answer.body.get("error")
        if error is None:
            return answer.body
        code = clean_text(members(error).get("code"))
        cause = f"the wiki says {code or 'error'}: {clean_text(members(error).get('info'))}"
        if code not in _BUSY:
            raise SourceFailed(self._uri, cause)
        asked_s = read_retry_after(answer.headers.get("retry-after", ""), now=time.time())
        retry_s = _LAG_WAIT_S if asked_s is None else asked_s
        raise SourceBlocked(self._uri, BlockReason.RATE_LIMITED, cause, retry_s=retry_s)


def _is_listing(answer: Mapping[str, Any]) -> bool:
    """Whether it looks like a query's answer; one that found nothing has no `query`, but says that it is complete."""
    if "query" in answer:
        return isinstance(answer["query"], dict)
    return answer.get("batchcomplete") is True or isinstance(answer.get("continue"), dict)


def _merge(pages: dict[object, dict[str, Any]], page: dict[str, Any]) -> None:
    """Adds what an answer says of a page to what earlier ones said; lists are continued, all else comes once."""
    key = page.get("pageid") if isinstance(page.get("pageid"), int) else word(page.get("title"))
    known = pages.setdefault(key, {})
    for name, value in page.items():
        known[name] = (
            [*known[name], *value]
            if isinstance(value, list) and isinstance(known.get(name), list)
            else value
        )


def _words(value: object) -> dict[str, str]:
    """A `continue` object: strings, and numbers as they are asked with."""
    return {
        name: str(part)
        for name, part in members(value).items()
        if isinstance(part, str | int) and not isinstance(part, bool)
    }
