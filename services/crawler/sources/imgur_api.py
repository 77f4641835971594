"""Asks Imgur's API (https://apidocs.imgur.com), and stops before its credits are used up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from services.crawler.fetch.document import DocumentRequest
from services.crawler.resolvers.reading import members
from services.crawler.sources.json_answer import ask_json
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed
from services.crawler.sources.text import clean_text

IMGUR_API = "https://api.imgur.com"
NO_CLIENT = (
    "Imgur's API needs a client id, and new ones are hard to get (https://api.imgur.com/oauth2/addclient): set "
    "LODESTONE_CRAWLER_IMGUR_CLIENT_ID"
)

# Left for links to albums that other sources list. A client that uses up its day is locked out for the month if it
# happens five times.
_USER_RESERVE = 10
_CLIENT_RESERVE = 250
_CLIENT_REST_S = 3_600.0
_LONGEST_REST_S = 86_400.0
_CAPACITY_REST_S = 600.0
_WHO_IS_REFUSED = (
    "Imgur refuses the client id, or it serves nobody where this machine is: the United Kingdom is shut out since "
    "September 2025"
)


class ImgurApi:
    """The API, for one source."""

    def __init__(self, uri: str, tools: SourceTools) -> None:
        """Takes the source that asks, and what to ask with."""
        self._uri = uri
        self._tools = tools
        self._rests_until = 0.0

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> object:
        """The `data` of an answer.

        Args:
            path: Behind `/3/`.
            parameters: The query.

        Raises:
            SourceFailed: There is no answer, or an error.
            SourceBlocked: There is no client id, or Imgur refuses it or us, or hardly any credits are left.
        """
        client_id = self._tools.credentials.imgur_client_id
        if not client_id:
            raise SourceBlocked(self._uri, BlockReason.CREDENTIALS_MISSING, NO_CLIENT)
        rest_s = self._rests_until - time.time()
        if rest_s > 0:
            cause = "hardly any of Imgur's credits are left"
            raise SourceBlocked(self._uri, BlockReason.RATE_LIMITED, cause, retry_s=rest_s)
        query = f"?{urlencode(parameters)}" if parameters else ""
        url = f"{self._tools.api_base(IMGUR_API)}/3/{path}{query}"
        request = DocumentRequest(url, headers={"Authorization": f"Client-ID {client_id}"})
        try:
            answer = await ask_json(self._uri, request, self._tools)
        except SourceBlocked as blocked:
            raise self._explained(blocked) from blocked
        self._count(answer.headers)
        if answer.body.get("success") is not True:
            raise self._failure(answer.body)
        return answer.body.get("data")

    def _count(self, headers: Mapping[str, str]) -> None:
        """Notes how long to rest; names and meaning of the headers: https://apidocs.imgur.com, Rate Limits."""
        now = time.time()
        rests = [0.0]
        if _number(headers.get("x-ratelimit-userremaining"), _USER_RESERVE + 1) <= _USER_RESERVE:
            rests.append(_number(headers.get("x-ratelimit-userreset"), 0) - now)
        if (
            _number(headers.get("x-ratelimit-clientremaining"), _CLIENT_RESERVE + 1)
            <= _CLIENT_RESERVE
        ):
            rests.append(_CLIENT_REST_S)
        self._rests_until = now + min(max(rests), _LONGEST_REST_S)

    def _failure(self, body: Mapping[str, Any]) -> SourceFailed:
        """An error that comes as JSON; some come with status 200."""
        status, stated = body.get("status"), members(body.get("data")).get("error")
        text = clean_text(members(stated).get("message") if isinstance(stated, dict) else stated)
        cause = f"Imgur says {status if isinstance(status, int) else '?'}: {text or 'no message'}"
        said = text.lower()
        if "over capacity" in said or status == 429:
            return self._blocked(BlockReason.RATE_LIMITED, cause, _CAPACITY_REST_S)
        if status == 401 or "client_id" in said or "client id" in said:
            return self._blocked(BlockReason.CREDENTIALS_REFUSED, cause)
        if "country" in said or "region" in said:
            return self._blocked(
                BlockReason.FORBIDDEN, f"{cause}; it serves nobody where this machine is"
            )
        if status == 403:
            return self._blocked(BlockReason.FORBIDDEN, f"{cause}; {_WHO_IS_REFUSED}")
        return SourceFailed(self._uri, cause)

    def _explained(self, blocked: SourceBlocked) -> SourceBlocked:
        if blocked.reason is BlockReason.FORBIDDEN:
            return self._blocked(blocked.reason, f"{blocked.cause}; {_WHO_IS_REFUSED}")
        return blocked

    def _blocked(
        self, reason: BlockReason, cause: str, retry_s: float | None = None
    ) -> SourceBlocked:
        return SourceBlocked(self._uri, reason, cause, retry_s=retry_s)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 12 else default
