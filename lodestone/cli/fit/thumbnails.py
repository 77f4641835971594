"""Small pictures of liked images, for a profile to keep."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import grpc

from lodestone.cli.errors import CliError, explain
from lodestone.cli.image_files import Unreadable
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.running import ordered_map
from lodestone.cli.words import reference
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.novelty_service_pb2 import LIKED_SELECTION_TELLING, Thumbnail
from lodestone.novelty.v1.profile_pb2 import ImageLabel, LikedImage, Profile

_IN_FLIGHT: Final = 4

# Reads the bytes of a liked image; None if they are not at hand.
ReadLiked = Callable[[ImageLabel], Awaitable[bytes | None]]


async def store_thumbnails(services: FitServices, profile: Profile, read: ReadLiked) -> int:
    """Gives a new version thumbnails of the liked images that say most about it.

    What goes wrong is noted: a profile without thumbnails is a profile.

    Args:
        services: The embedder looks at the thumbnails, the novelty service keeps them.
        profile: The version.
        read: Finds the bytes of its liked images.

    Returns:
        How many it has then.
    """
    try:
        return await _store(services, profile, read)
    except (grpc.aio.AioRpcError, CliError) as error:
        services.output.note(
            f"warning: {reference(profile)} gets no new thumbnails: {explain(error)}"
        )
        return profile.thumbnail_count


async def _store(services: FitServices, profile: Profile, read: ReadLiked) -> int:
    images = services.novelty.list_liked_images(reference(profile), LIKED_SELECTION_TELLING)
    telling = [image async for image in images]
    thumbnails = []

    async def make(image: LikedImage) -> Thumbnail | None:
        return await _thumbnail(services, profile, image, await read(image.label))

    async with services.patience.limit():
        async for _, made in ordered_map(telling, make, limit=_IN_FLIGHT):
            thumbnails += [made] if made else []
    if not thumbnails:
        return profile.thumbnail_count
    return await services.novelty.put_thumbnails(reference(profile), thumbnails)


async def _thumbnail(
    services: FitServices, profile: Profile, image: LikedImage, encoded: bytes | None
) -> Thumbnail | None:
    if encoded is None:
        return None
    from lodestone.cli.pictures.thumbnail import NoThumbnail, make_thumbnail

    try:
        jpeg = await asyncio.to_thread(make_thumbnail, encoded)
    except NoThumbnail:
        return None
    embedding = await services.embed(jpeg)
    if isinstance(embedding, Unreadable):
        return None
    _require_kind(embedding, profile)
    return Thumbnail(position=image.position, jpeg=jpeg, embedding=embedding)


def _require_kind(embedding: Embedding, profile: Profile) -> None:
    wanted = Kind(profile.encoder_id, profile.precision, profile.dimension)
    difference = Kind.of(embedding).difference(wanted)
    if difference:
        raise CliError(f"the embedder serves {difference[0]}, and it is of {difference[1]}")
