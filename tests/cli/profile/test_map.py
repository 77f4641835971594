"""What comes onto the map of a profile."""

from __future__ import annotations

import grpc
import pytest

from lodestone.cli.profile.map import fetch_map
from lodestone.client import NoveltyClient
from lodestone.image.v1.embedding_pb2 import PRECISION_BF16, Embedding
from lodestone.novelty.v1.novelty_service_pb2 import MAP_ROLE_GIVEN
from tests.cli.crawler_messages import kept_image


@pytest.fixture
def profile(cli, services, photos):
    """`landscapes@1`, as the service has it."""
    assert cli("profile", "fit", "landscapes", photos).status == 0
    return services.novelty._profiles["landscapes"][0]


def keep(services, count, embedding, *, profile="landscapes"):
    """Keeps images that all have this embedding."""
    for index in range(count):
        image = kept_image(f"{profile}{index}.jpg", profile=profile)
        image.digest = f"{len(services.crawler.kept):064x}"
        services.crawler.kept.append(image)
        services.crawler.embeddings[image.digest] = embedding


async def mapped(services, profile):
    async with NoveltyClient(services.address) as novelty:
        return await fetch_map(novelty, profile)


async def test_the_newest_500_of_the_profiles_name_are_given(profile, services):
    """Older ones and those of other profiles are not."""
    like = services.novelty.fits[0][1]
    keep(services, 3, like[0])
    keep(services, 500, like[1])
    keep(services, 5, like[2], profile="cats")
    found = await mapped(services, profile)
    assert services.novelty.mapped == [[like[1]] * 500]
    assert sum(point.role == MAP_ROLE_GIVEN for point in found.points) == 500
    assert found.lacking == ""


async def test_embeddings_of_another_encoder_or_precision_are_left_off(profile, services):
    """They are counted."""
    like = services.novelty.fits[0][1][0]
    other = Embedding(values=like.values, encoder_id="f" * 64, precision=like.precision)
    bf16 = Embedding(values=like.values, encoder_id=like.encoder_id, precision=PRECISION_BF16)
    for one in (like, other, bf16):
        keep(services, 1, one)
    found = await mapped(services, profile)
    assert services.novelty.mapped == [[like]]
    assert found.lacking == "2 kept photos not on the map: not embedded by the profile's encoder"


async def test_a_crawler_that_knows_no_such_name_is_no_error(profile, services):
    """Nothing was crawled for the profile yet."""
    profile.name = "cats"
    services.novelty._profiles["cats"] = [profile]
    services.novelty._liked["cats@1"] = []
    found = await mapped(services, profile)
    assert services.novelty.mapped == [[]]
    assert found.lacking == ""


async def test_without_a_crawler_there_are_no_kept_photos(profile, services, monkeypatch):
    """Which is said."""
    monkeypatch.setenv("LODESTONE_CRAWLER", "127.0.0.1:1")
    found = await mapped(services, profile)
    assert found.points
    assert found.lacking.startswith("no kept photos are on the map: cannot reach the crawler")


async def test_a_profile_that_knows_no_photos_has_no_map(profile, services):
    """The service's error passes."""
    services.novelty.forgets_liked = True
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mapped(services, profile)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
