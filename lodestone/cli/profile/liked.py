"""What the novelty service keeps of the images that a profile was learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import grpc

from lodestone.cli.errors import explain
from lodestone.cli.profile.liked_ranking import RankedImage, image_name, rank_liked
from lodestone.cli.words import one_line, reference
from lodestone.client import NoveltyClient
from lodestone.novelty.v1.novelty_service_pb2 import (
    LIKED_SELECTION_TELLING,
    LIKED_SELECTION_WITH_THUMBNAIL,
)
from lodestone.novelty.v1.profile_pb2 import Profile

# Of a profile that was fitted before they were kept, and of a service that does not keep them.
_UNKNOWN = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED)


@dataclass(frozen=True, slots=True)
class LikedOverview:
    """The liked images that tell most about a profile.

    Attributes:
        ranked: The least and the most typical ones, those next to the threshold and some between; least typical first.
        repeated: The names of those that repeat another one, each with the name of that one.
        thumbnails: JPEGs by position.
        unknown: Why nothing of this is known, one line; empty if it is.
        no_thumbnails: Why there are no thumbnails although some were kept, one line; empty if nothing is known of that.
    """

    ranked: Sequence[RankedImage] = ()
    repeated: Sequence[tuple[str, str]] = ()
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)
    unknown: str = ""
    no_thumbnails: str = ""


async def fetch_ranked(novelty: NoveltyClient, profile: Profile) -> LikedOverview:
    """The ranking alone: without thumbnails and repeated images."""
    try:
        ranked = await _ranked(novelty, profile, {})
        return LikedOverview(ranked=ranked, no_thumbnails=one_line(profile.thumbnail_damage))
    except grpc.aio.AioRpcError as error:
        return _unknown(error)


async def fetch_overview(novelty: NoveltyClient, profile: Profile) -> LikedOverview:
    """All of it."""
    try:
        thumbnails, no_thumbnails = await _thumbnails(novelty, profile)
        return LikedOverview(
            ranked=await _ranked(novelty, profile, thumbnails),
            repeated=await _repeated(novelty, profile),
            thumbnails=thumbnails,
            no_thumbnails=no_thumbnails,
        )
    except grpc.aio.AioRpcError as error:
        return _unknown(error)


async def fetch_thumbnails(novelty: NoveltyClient, profile: Profile) -> dict[int, bytes]:
    """The JPEGs by position; none if none are kept."""
    if not profile.thumbnail_count:
        return {}
    images = novelty.list_liked_images(reference(profile), LIKED_SELECTION_WITH_THUMBNAIL)
    return {image.position: image.thumbnail async for image in images}


async def _thumbnails(novelty: NoveltyClient, profile: Profile) -> tuple[dict[int, bytes], str]:
    """The JPEGs by position, and why there are none: all else of the profile can be shown without."""
    try:
        return await fetch_thumbnails(novelty, profile), one_line(profile.thumbnail_damage)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return {}, explain(error)


async def _ranked(
    novelty: NoveltyClient, profile: Profile, thumbnails: Mapping[int, bytes]
) -> list[RankedImage]:
    images = novelty.list_liked_images(reference(profile), LIKED_SELECTION_TELLING)
    return rank_liked(profile, [image async for image in images], thumbnails)


async def _repeated(novelty: NoveltyClient, profile: Profile) -> list[tuple[str, str]]:
    """By the names of both, which takes a look at every liked image."""
    if not profile.duplicates:
        return []
    wanted = {one.position for one in profile.duplicates}
    wanted |= {one.duplicate_of for one in profile.duplicates}
    names = {
        image.position: image_name(image.label, image.position)
        async for image in novelty.list_liked_images(reference(profile))
        if image.position in wanted
    }
    return [
        (names[one.position], names[one.duplicate_of])
        for one in profile.duplicates
        if one.position in names and one.duplicate_of in names
    ]


def _unknown(error: grpc.aio.AioRpcError) -> LikedOverview:
    if error.code() not in _UNKNOWN:
        raise error
    return LikedOverview(unknown=explain(error))
