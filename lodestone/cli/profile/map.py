"""What the map of a profile shows: its photos, ordinary ones, and what crawls have kept lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from lodestone.cli.errors import explain
from lodestone.cli.running import crawler_client
from lodestone.cli.words import count_of, reference
from lodestone.client import NoveltyClient, ServiceUnreachable
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.novelty_service_pb2 import MapPoint
from lodestone.novelty.v1.profile_pb2 import Profile

_NEWEST: Final = 500


@dataclass(frozen=True, slots=True)
class TasteMap:
    """A map's points.

    Attributes:
        points: As the novelty service laid them out.
        lacking: What is not on the map and why, one line; empty if all is.
    """

    points: Sequence[MapPoint]
    lacking: str


async def fetch_map(novelty: NoveltyClient, profile: Profile) -> TasteMap:
    """A map of the liked images, the background sample and the 500 images that were kept last under the profile's name.

    Without a crawler it has no kept images.

    Raises:
        grpc.aio.AioRpcError: FAILED_PRECONDITION for a profile that does not know its liked images.
    """
    kept, lacking = await _kept(profile)
    points = await novelty.map_embeddings(reference(profile), kept)
    return TasteMap(points, lacking)


async def _kept(profile: Profile) -> tuple[list[Embedding], str]:
    """The embeddings that can be drawn, and what is lacking."""
    try:
        async with crawler_client() as crawler:
            await crawler.require_reachable()
            images = crawler.list_images(profile.name, newest=_NEWEST, with_embeddings=True)
            embeddings = [image.embedding async for image in images]
    except ServiceUnreachable as error:
        return [], f"no kept photos are on the map: {explain(error)}"
    except grpc.aio.AioRpcError as error:
        # The crawler does not know the name of a profile that was never crawled for.
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return [], ""
    fitting = [one for one in embeddings if _is_drawn(one, profile)]
    other = len(embeddings) - len(fitting)
    if not other:
        return fitting, ""
    photos = count_of(other, "kept photo")
    return fitting, f"{photos} not on the map: not embedded by the profile's encoder"


def _is_drawn(embedding: Embedding, profile: Profile) -> bool:
    return (embedding.encoder_id, embedding.precision) == (profile.encoder_id, profile.precision)
