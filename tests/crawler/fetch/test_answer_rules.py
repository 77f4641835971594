from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace

import pytest

from services.crawler.compliance import Compliance
from services.crawler.outcome import OutcomeReason, OutcomeState
from tests.crawler.fetch.raw_server import RawServer, answer, hang, says
from tests.crawler.fetch.support import failure, fetcher_for, listing


async def compliance(**headers: str) -> Compliance:
    """The record of an answer with these headers, named with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    whole = answer(b"x", headers=named)
    async with RawServer(says(whole)) as server, fetcher_for(server.port) as fetcher:
        fetched = await fetcher.fetch(listing(server.url()))
    assert fetched.compliance is not None
    return replace(fetched.compliance, robots_url="")


@pytest.mark.parametrize("tag", ["noai", "noimageai, x", "NOINDEX", "lodestone: none"])
async def test_an_opt_out_ends_the_fetch_before_the_body(tag: str) -> None:
    """The body of an answer that opts out is not waited for: the connection is closed at the header."""
    closed = asyncio.Event()

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        head = answer(headers={"X-Robots-Tag": tag, "Content-Length": "100000000"})
        writer.write(head)
        await writer.drain()
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        finally:
            closed.set()

    async with RawServer(respond) as server, fetcher_for(server.port) as fetcher:
        failed = await failure(fetcher, server.url())
        await asyncio.wait_for(closed.wait(), 2)
    assert failed.reason is OutcomeReason.OPTED_OUT
    assert failed.state is OutcomeState.BLOCKED
    assert not failed.retryable
    assert "X-Robots-Tag" in str(failed)
    assert failed.final_url == server.url()


async def test_an_opt_out_needs_no_body_at_all() -> None:
    """The reason is known though not one byte of the body comes."""
    head = answer(headers={"X-Robots-Tag": "noai", "Content-Length": "9"})

    async def respond(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await hang(path, writer)

    async with RawServer(respond) as server, fetcher_for(server.port) as fetcher:
        failed = await asyncio.wait_for(failure(fetcher, server.url()), 1)
        page = fetcher.fetch_page(server.url("/page"))
        with pytest.raises(type(failed)):
            await asyncio.wait_for(page, 1)
    assert failed.reason is OutcomeReason.OPTED_OUT


async def test_what_is_said_to_others_is_kept_and_not_minded() -> None:
    """An opt-out for another crawler does not count; it stands in the record."""
    record = await compliance(X_Robots_Tag="otherbot: noindex\r\nX-Robots-Tag: nosnippet")
    assert record.robots_tags == ("otherbot: noindex", "nosnippet")


async def test_the_record() -> None:
    """Who asked, when, whom, and under which rules and licence."""
    began = time.time()
    record = await compliance(
        Link='<https://creativecommons.org/licenses/by/4.0/>; rel="license", <x>; rel=next',
        Last_Modified="Sun, 01 Mar 2026 12:00:00 GMT",
        ETag='"abc"',
    )
    assert began <= record.robots_time <= record.request_time <= time.time()
    assert record == Compliance(
        user_agent="Lodestone/0 (+https://example.org/bot)",
        request_time=record.request_time,
        final_address="127.0.0.1",
        robots_url="",
        robots_status=404,
        robots_time=record.robots_time,
        crawl_delay_s=0.0,
        robots_tags=(),
        licence="https://creativecommons.org/licenses/by/4.0/",
        last_modified="Sun, 01 Mar 2026 12:00:00 GMT",
        etag='"abc"',
    )


@pytest.mark.parametrize(
    ("link", "licence"),
    [
        ("</licence>; rel=license", "http://127.0.0.1:PORT/licence"),
        (
            '<x>; rel=next, <https://example.org/a>; title="b"; rel="copyright License"',
            "https://example.org/a",
        ),
        ('<https://example.org/a> ; REL = "license"', "https://example.org/a"),
        ("<https://example.org/a>; rel=next; rel=license", ""),
        ("<https://example.org/a>; xrel=license", ""),
        ("<javascript:x>; rel=license", ""),
        ("https://example.org/a; rel=license", ""),
    ],
)
async def test_licences(link: str, licence: str) -> None:
    """The first relation of a link counts (RFC 8288, 3.3); targets are web URLs, relative to the image."""
    found = (await compliance(Link=link)).licence
    assert re.sub(r"127.0.0.1:\d+", "127.0.0.1:PORT", found) == licence


async def test_a_megabyte_of_links_costs_nothing() -> None:
    """Only the first ones are read."""
    many = "\r\n".join(["<a>"] + ["Link: " + "<b>,;" * 1_600] * 100)
    began = time.process_time()
    record = await compliance(Link=many)
    assert time.process_time() - began < 0.3
    assert record.licence == ""


@pytest.mark.parametrize(
    "link",
    [
        "",
        "garbage",
        "<>",
        "<http://[>; rel=license",
        "<x>; rel",
        "<" * 4_000,
        "<x>;" * 2_000,
        "\xff",
    ],
)
async def test_unreadable_links_name_no_licence(link: str) -> None:
    """A Link header that cannot be read, or names no licence, leaves it empty and quick."""
    began = time.process_time()
    record = await compliance(Link=link)
    assert "license" not in record.licence
    assert time.process_time() - began < 1.0


async def test_records_are_bounded() -> None:
    """Long headers, and many of them, are cut."""
    many = "\r\n".join(["a" * 600] + [f"X-Robots-Tag: t{number}" for number in range(50)])
    record = await compliance(X_Robots_Tag=many, ETag='"' + "e" * 5_000 + '"')
    assert len(record.robots_tags) == 20
    assert len(record.robots_tags[0]) == 500
    assert len(record.etag) == 500
