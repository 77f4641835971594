"""Asks an interface that answers in JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.crawler.fetch.document import DocumentRequest
from services.crawler.outcome import FetchFailed
from services.crawler.sources.failures import source_failure
from services.crawler.sources.kind import SourceTools
from services.crawler.sources.source import SourceFailed


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """What came back.

    Attributes:
        body: The object.
        headers: Names in lower case.
    """

    body: dict[str, Any]
    headers: Mapping[str, str]


async def ask_json(uri: str, request: DocumentRequest, tools: SourceTools) -> JsonAnswer:
    """Asks once.

    Args:
        uri: The source that asks, for the errors.
        request: What to ask for.
        tools: What it is asked with.

    Raises:
        SourceFailed: There is no answer, or it is no JSON object: an HTML page, for example, or nested too deeply.
        SourceBlocked: It is not for us, or not now.
    """
    try:
        document = await tools.fetch_document(request)
    except FetchFailed as failure:
        raise source_failure(uri, failure) from failure
    try:
        # Ten megabytes take a quarter of a second.
        body = await asyncio.to_thread(json.loads, document.body)
    except RecursionError as error:
        raise SourceFailed(uri, "the answer's JSON is nested too deeply") from error
    except ValueError as error:
        kind = document.content_type.partition(";")[0][:100] or "of no stated type"
        raise SourceFailed(uri, f"the answer is no JSON, but {kind}") from error
    if not isinstance(body, dict):
        raise SourceFailed(uri, "the answer is no JSON object")
    return JsonAnswer(body, document.headers)
