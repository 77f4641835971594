"""Asks Flickr's API: one request a second, the key behind the address, errors by their codes.

https://www.flickr.com/services/api/, https://www.flickr.com/services/api/response.json.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from services.crawler.fetch.document import DocumentRequest
from services.crawler.resolvers.reading import members, word
from services.crawler.sources.json_answer import ask_json
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed
from services.crawler.sources.text import clean_text

FLICKR_API = "https://api.flickr.com"
FLICKR_GAP_S = 1.0
NO_KEY = (
    "Flickr's API needs a key, which it gives to Pro accounts (https://www.flickr.com/services/apps/create/): set "
    "LODESTONE_CRAWLER_FLICKR_KEY"
)

_NO_SUCH_KEY = 100
_NOT_FOUND = 1
_NO_PERMISSION = 2
_FIXED = {"format": "json", "nojsoncallback": "1"}


class FlickrApi:
    """The API, for one source.

    Attributes:
        gap_s: Between requests of all sources: a key may send 3,600 an hour
            (https://www.flickr.com/services/developer/api/).
    """

    gap_s = FLICKR_GAP_S

    def __init__(self, uri: str, tools: SourceTools) -> None:
        """Takes the source that asks, and what to ask with."""
        self._uri = uri
        self._tools = tools
        self._ids: dict[str, str] = {}

    async def call(self, method: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """What a method answers.

        Raises:
            SourceFailed: There is no answer, or an error.
            SourceBlocked: There is no key, or Flickr refuses it, or what was asked for, or is asked too often.
        """
        key = self._tools.credentials.flickr_key
        if not key:
            raise SourceBlocked(self._uri, BlockReason.CREDENTIALS_MISSING, NO_KEY)
        base = self._tools.api_base(FLICKR_API)
        query = urlencode({"method": method, **_FIXED, **parameters})
        request = DocumentRequest(
            f"{base}/services/rest/?{query}",
            secret_query=f"api_key={quote(key, safe='')}",
            gap_s=self.gap_s,
        )
        answer = await ask_json(self._uri, request, self._tools)
        if answer.body.get("stat") != "ok":
            raise self._failure(method, answer.body)
        return answer.body

    async def id_of(self, kind: str, path: str) -> str:
        """The id of a user or group by the path of its page, for example `12037949754@N01`.

        Args:
            kind: `User` or `Group`.
            path: As in `https://www.flickr.com/photos/PATH/` or `/groups/PATH/`.

        Raises:
            SourceFailed, SourceBlocked: As for `call`.
        """
        if path not in self._ids:
            folder = "photos" if kind == "User" else "groups"
            url = f"https://www.flickr.com/{folder}/{path}/"
            body = await self.call(f"flickr.urls.lookup{kind}", {"url": url})
            found = word(members(body.get(kind.lower())).get("id"))
            if not found:
                raise SourceFailed(self._uri, f"Flickr names no id of the {kind.lower()} {path}")
            self._ids[path] = found
        return self._ids[path]

    def _failure(self, method: str, body: Mapping[str, Any]) -> SourceFailed:
        code, message = body.get("code"), clean_text(body.get("message")) or "no message"
        cause = f"Flickr says {code if isinstance(code, int) else '?'}: {message}"
        if code == _NO_SUCH_KEY:
            refused = f"{cause}; see LODESTONE_CRAWLER_FLICKR_KEY"
            return SourceBlocked(self._uri, BlockReason.CREDENTIALS_REFUSED, refused)
        if method == "flickr.photos.search":
            return SourceFailed(self._uri, cause)
        if code == _NO_PERMISSION:
            return SourceBlocked(self._uri, BlockReason.FORBIDDEN, cause)
        if code == _NOT_FOUND:
            return SourceFailed(self._uri, f"it is not there: {cause}")
        return SourceFailed(self._uri, cause)
