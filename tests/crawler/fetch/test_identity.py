from __future__ import annotations

import pytest

from services.crawler.fetch.identity import ContactMissing, Identity
from services.crawler.outcome import FetchFailed
from tests.crawler.fetch.raw_server import RawServer, answer, says
from tests.crawler.fetch.support import fetcher_for, listing


def test_user_agent() -> None:
    """The name has the version, and the contact if there is one."""
    with_contact = Identity("1.2", "https://example.org/bot")
    assert with_contact.user_agent == "Lodestone/1.2 (+https://example.org/bot)"
    assert Identity("1.2").user_agent == "Lodestone/1.2"


def test_the_error_names_the_host_and_the_way_out() -> None:
    """Who runs the crawler learns which host was to be asked and how a contact is given."""
    error = ContactMissing("photos.example")
    assert error.host == "photos.example"
    assert "photos.example" in str(error)
    assert "--contact" in str(error)
    assert not isinstance(error, FetchFailed)


async def test_our_own_server_needs_no_contact() -> None:
    """A server that the configuration names is asked without a contact."""
    async with (
        RawServer(says(answer(b"x"))) as server,
        fetcher_for(server.port, identity=Identity("0")) as fetcher,
    ):
        assert (await fetcher.fetch(listing(server.url()))).encoded == b"x"
    assert "User-Agent: Lodestone/0\r\n" in server.requests[0]


@pytest.mark.parametrize("name", ["photos.example", "93.184.216.34"])
async def test_no_stranger_is_asked_without_a_contact(name: str) -> None:
    """Without a contact a host that is not our own is neither looked up nor dialled."""
    names = {"photos.example": [["127.0.0.1"]]}
    fetcher = fetcher_for(80, names=names, identity=Identity("0"))
    async with fetcher:
        with pytest.raises(ContactMissing) as missing:
            await fetcher.fetch(listing(f"http://{name}/x"))
    assert missing.value.host == name
    assert not fetcher.resolver.asked


async def test_a_redirect_to_a_stranger_needs_a_contact_too() -> None:
    """Our own server cannot send us to a host that could not reach us."""
    moved = answer(status="302 Found", headers={"Location": "http://photos.example/x"})
    names = {"photos.example": [["127.0.0.1"]]}
    async with RawServer(says(moved)) as server:
        fetcher = fetcher_for(server.port, names=names, identity=Identity("0"))
        async with fetcher:
            with pytest.raises(ContactMissing):
                await fetcher.fetch(listing(server.url()))
    assert not fetcher.resolver.asked
