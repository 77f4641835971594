"""What the command line learns of a profile's liked images."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from lodestone.cli.profile.liked import fetch_overview, fetch_ranked
from lodestone.client import NoveltyClient
from lodestone.novelty.v1.novelty_service_pb2 import Thumbnail


@pytest.fixture
def fitted(cli, services, photos):
    """A function that gives `landscapes@1`, as the service has it."""

    def fit(**options):
        for name, value in options.items():
            setattr(services.novelty, name, value)
        assert cli("profile", "fit", "landscapes", photos).status == 0
        return services.novelty._profiles["landscapes"][0]

    return fit


def asked(services, fetch, profile):
    async def ask():
        async with NoveltyClient(services.address) as novelty:
            return await fetch(novelty, profile)

    return asyncio.run(ask())


def test_the_overview_has_thumbnails_and_repeated_photos(fitted, services):
    """Names of both sides of each pair; the one that repeats another has no rank."""
    profile = fitted(sees_duplicates=True, picky=True)
    services.novelty.thumbnails["landscapes@1"] = [Thumbnail(position=0, jpeg=b"jpeg")]
    profile.thumbnail_count = 1
    liked = asked(services, fetch_overview, profile)
    assert [(one.name, one.jpeg) for one in liked.ranked] == [("0.png", b"jpeg")]
    assert liked.thumbnails == {0: b"jpeg"}
    assert liked.repeated[0] == ("1.png", "0.png")
    assert len(liked.repeated) == 9
    assert liked.unknown == ""


def test_the_ranking_alone_asks_for_no_thumbnails(fitted, services):
    """Ten photos, least typical first."""
    liked = asked(services, fetch_ranked, fitted())
    assert [one.position for one in liked.ranked] == list(range(10))
    assert liked.thumbnails == {}


@pytest.mark.parametrize("fetch", [fetch_overview, fetch_ranked])
def test_photos_that_are_not_known_are_no_error(fitted, services, fetch):
    """The service says why."""
    profile = fitted()
    services.novelty.forgets_liked = True
    liked = asked(services, fetch, profile)
    assert liked.ranked == ()
    assert "fitted before profiles kept their liked images" in liked.unknown


def test_other_errors_are_errors(fitted, services):
    """A profile that is gone meanwhile, for example."""
    profile = fitted()
    services.novelty._profiles.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asked(services, fetch_ranked, profile)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
