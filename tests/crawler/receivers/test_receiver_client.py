from __future__ import annotations

import pytest

from services.crawler.receivers.receiver_client import (
    Answer,
    NoAnswer,
    ReceiverClient,
    receiver_url,
    said,
)
from services.servicekit.errors import Misconfigured
from tests.faithful.receiver_server import CUT_BEFORE, ReceiverServer, Says


class Silent(ReceiverServer):
    """Never answers by itself."""

    async def receive(self, request):
        return await self.say_nothing()


@pytest.fixture
async def server():
    async with Silent() as running:
        yield running


@pytest.fixture
async def client():
    async with ReceiverClient("lodestone/tests") as opened:
        yield opened


async def test_any_answer_is_an_answer(server, client):
    """Status, body, and when to ask again; a redirect is not followed."""
    server.faults.extend([Says(503, "busy", "7"), Says(302)])
    answer = await client.post(receiver_url(server.origin), b"x", total_s=5.0)
    assert answer == Answer(503, b"busy", 7.0)
    assert (await client.post(receiver_url(server.origin), b"x", total_s=5.0)).status == 302
    assert server.request_count == 2


async def test_a_long_answer_is_cut(server, client):
    """A receiver cannot fill the memory."""
    server.faults.append(Says(200, "x" * 3_000_000))
    answer = await client.post(receiver_url(server.origin), b"x", total_s=5.0)
    assert len(answer.body) == 1_000_000


async def test_no_answer_in_time_or_at_all(server, client):
    """Silence, a cut connection, and nobody there: only the last cannot have done anything."""
    url = receiver_url(server.origin)
    with pytest.raises(NoAnswer, match="no answer from 127.0.0.1:.* in 0.1 s") as silent:
        await client.post(url, b"x", total_s=0.1)
    server.faults.append(CUT_BEFORE)
    with pytest.raises(NoAnswer, match="broke") as cut:
        await client.post(url, b"x", total_s=5.0)
    assert server.request_count == 2, "a cut request is not repeated unseen"
    await server.__aexit__()
    with pytest.raises(NoAnswer, match="no connection to .*: Connection refused") as nobody:
        await client.post(url, b"x", total_s=5.0)
    await server.__aenter__()
    assert [one.value.reached for one in (silent, cut, nobody)] == [True, True, False]


async def test_the_environments_proxy_is_not_asked(server, client, monkeypatch):
    """What is posted goes to the one that was named."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.faults.append(Says(204))
    assert (await client.post(receiver_url(server.origin), b"x", total_s=5.0)).status == 204


@pytest.mark.parametrize(
    ("text", "path", "url"),
    [
        ("http://h", "", "http://h"),
        ("https://h:8443/a?b=c", "", "https://h:8443/a?b=c"),
        ("http://127.0.0.1:4000", "/import_image", "http://127.0.0.1:4000/import_image"),
        ("http://[::1]:80/under/", "/x", "http://[::1]/under/x"),
    ],
)
def test_addresses(text, path, url):
    """Private ones are allowed: a person chose them."""
    assert str(receiver_url(text, path=path)) == url


@pytest.mark.parametrize(
    "text", ["", "h", "//h", "ftp://h", "http://", "http://u:p@h", "http://h#x"]
)
def test_what_is_no_address(text):
    """Neither is a password in it, which would be shown somewhere."""
    with pytest.raises(Misconfigured):
        receiver_url(text)


def test_what_a_receiver_says_is_one_printable_line():
    """Without the parts of the address that may be secret."""
    url = receiver_url("https://h/hooks/T0kenInThePath99?key=AnotherT0ken")
    body = "no\n\x1b[31m T0kenInThePath99 and AnotherT0ken " + "x" * 500
    text = said(Answer(400, body.encode(), None), url)
    assert text.startswith("no ?[31m *** and *** xxx")
    assert len(text) == 200
