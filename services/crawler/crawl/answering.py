"""Gets the answers that resolvers ask for: pages by their hosts' rules, interfaces with the configured keys."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qsl, quote, urlsplit

from services.crawler.fetch.charset import decode_html
from services.crawler.fetch.document import DocumentRequest
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.resolvers.resolution import Answer, Ask, AskKind, Unanswered
from services.crawler.sources.flickr_api import FLICKR_GAP_S
from services.crawler.sources.kind import SourceTools

_NO_KEY = "this needs a key, and none is configured"
# A page's host that wants to be left alone for an hour must not hold up the source that links to it.
_PATIENCE_S = 90.0


class Answering:
    """Answers `Ask`s with a source's tools."""

    def __init__(self, tools: SourceTools) -> None:
        self._tools = tools

    async def ask(self, question: Ask) -> Answer:
        """Gets one answer.

        Raises:
            Unanswered: Asking again is useless.
            FetchFailed: The host is away for now, or the turn to ask it for a page does not come within 90 s.
        """
        try:
            if question.kind is AskKind.PAGE:
                return await self._ask_for_page(question)
            if question.kind is AskKind.REDDIT_API:
                return await self._ask_reddit(question)
            document = await self._tools.fetch_document(self._request(question))
        except FetchFailed as failure:
            if failure.retryable:
                raise
            raise Unanswered(question.url, str(failure)) from failure
        text = decode_html(document.body, document.content_type)
        content_type = document.content_type.partition(";")[0].strip().lower()
        return Answer(question.url, text, content_type)

    async def _ask_for_page(self, question: Ask) -> Answer:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                page = await self._tools.fetch_page(question.url.text)
        except TimeoutError as error:
            message = f"{question.url.host} has no turn for us within {_PATIENCE_S:g} s"
            raise FetchFailed(OutcomeReason.TIMEOUT, message) from error
        return Answer(parse_url(page.final_url), page.html, page.content_type)

    async def _ask_reddit(self, question: Ask) -> Answer:
        """Through the library that keeps Reddit's token and rate limit."""
        parts = urlsplit(question.url.text)
        if not self._tools.reddit.has_credentials or question.url.host != question.kind.key_host:
            raise Unanswered(question.url, _NO_KEY)
        query = dict(parse_qsl(parts.query))
        found = await self._tools.reddit.get(parts.path.removeprefix("/"), query)
        return Answer(question.url, json.dumps(found), "application/json")

    def _request(self, question: Ask) -> DocumentRequest:
        keys, url = self._tools.credentials, question.url.text
        host = question.kind.key_host
        base = f"https://{host}"
        if question.url.host == host:
            asked = url.replace(base, self._tools.api_base(base), 1)
            if question.kind is AskKind.IMGUR_API and keys.imgur_client_id:
                return DocumentRequest(
                    asked, headers={"Authorization": f"Client-ID {keys.imgur_client_id}"}
                )
            if question.kind is AskKind.FLICKR_API and keys.flickr_key:
                key = quote(keys.flickr_key, safe="")
                return DocumentRequest(asked, secret_query=f"api_key={key}", gap_s=FLICKR_GAP_S)
        raise Unanswered(question.url, _NO_KEY)
