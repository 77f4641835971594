from __future__ import annotations

import pytest

from services.crawler.fetch.document import Document, DocumentRequest
from services.crawler.outcome import FetchFailed, OutcomeReason, StatusFailed
from services.crawler.sources.json_answer import ask_json
from services.crawler.sources.source import BlockReason, SourceBlocked, SourceFailed
from tests.crawler.sources.listing import source_tools

REQUEST = DocumentRequest("https://h/api")


def tools_for(answer):
    async def fetch_document(request):
        assert request is REQUEST
        if isinstance(answer, Exception):
            raise answer
        return answer

    return source_tools(fetch_document=fetch_document)


async def test_an_object_and_its_headers():
    """As they came."""
    document = Document(b'{"a": [1]}', "https://h/api", "application/json", {"x-a": "b"})
    answer = await ask_json("w:x", REQUEST, tools_for(document))
    assert (answer.body, answer.headers) == ({"a": [1]}, {"x-a": "b"})


@pytest.mark.parametrize(
    ("body", "content_type", "cause"),
    [
        (b"<html>", "text/html; charset=utf-8", "the answer is no JSON, but text/html"),
        (b"", "", "the answer is no JSON, but of no stated type"),
        (b"\xff\xfe\x00", "application/json", "the answer is no JSON, but application/json"),
        (b"[" * 10_000, "application/json", "the answer's JSON is nested too deeply"),
        (b"[1]", "application/json", "the answer is no JSON object"),
        (b"NaN", "application/json", "the answer is no JSON object"),
    ],
)
async def test_what_is_none(body, content_type, cause):
    """One sentence, and the source that asked."""
    document = Document(body, "https://h/api", content_type)
    with pytest.raises(SourceFailed) as failed:
        await ask_json("w:x", REQUEST, tools_for(document))
    assert (failed.value.uri, failed.value.cause) == ("w:x", cause)


async def test_what_is_not_answered():
    """A rate limit blocks the source, a host that is away lets it fail."""
    busy = StatusFailed(
        OutcomeReason.RATE_LIMITED, "busy", status=429, final_url="", retry_after_s=9.0
    )
    with pytest.raises(SourceBlocked) as blocked:
        await ask_json("w:x", REQUEST, tools_for(busy))
    assert (blocked.value.reason, blocked.value.retry_s) == (BlockReason.RATE_LIMITED, 9.0)
    with pytest.raises(SourceFailed, match="away"):
        await ask_json("w:x", REQUEST, tools_for(FetchFailed(OutcomeReason.UNREACHABLE, "away")))
