"""The calls that add to a version: thumbnails, and what is found with them in another precision."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.precision_check import PrecisionCheck
from services.novelty.profile import Profile, ProfileReference
from services.novelty.rpc.part_servicer import Context, PartServicer
from services.novelty.rpc.thumbnail_messages import (
    check_to_message,
    embeddings_from_messages,
    thumbnails_from_messages,
)
from services.novelty.thumbnail_comparison import compare_thumbnails, other_precision
from services.novelty.thumbnails import check_thumbnails
from services.servicekit.embedding import Embedding
from services.servicekit.errors import InvalidInput


class ThumbnailServicer(PartServicer):
    """Keeps thumbnails, and compares them in other precisions."""

    async def PutThumbnails(
        self, request: pb.PutThumbnailsRequest, context: Context
    ) -> pb.PutThumbnailsResponse:
        """Gives a version thumbnails, or leaves those that it was given.

        Raises:
            InvalidInput: No certain version is named, or a thumbnail is not what it should be.
            OtherEncoder: An embedding is of another encoder than the profile's.
            NoLikedImages: The profile was fitted before profiles kept their liked images.
        """
        profile, liked = await self._cache.find_liked(_certain(request.profile))
        count = await asyncio.to_thread(self._put, profile, len(liked), request.thumbnails)
        self._cache.forget(profile.name)
        return pb.PutThumbnailsResponse(thumbnail_count=count)

    async def CheckPrecision(
        self, request: pb.CheckPrecisionRequest, context: Context
    ) -> pb.CheckPrecisionResponse:
        """Finds out whether verdicts on all thumbnails hold in another precision, or says what was found before.

        Raises:
            InvalidInput: No certain version is named, or the embeddings are not those of its thumbnails.
            OtherEncoder: One is of another encoder than the profile's.
            TooFewThumbnails: The version keeps fewer than 8.
            ProfileDamaged: Its thumbnails are damaged.
        """
        profile = await self._cache.find(_certain(request.profile))
        embeddings = await asyncio.to_thread(embeddings_from_messages, request.embeddings)
        known = profile.additions.check_of(other_precision(profile, embeddings))
        if known is None:
            known = await asyncio.to_thread(self._check, profile, embeddings)
            self._cache.forget(profile.name)
        return pb.CheckPrecisionResponse(precision_check=check_to_message(known))

    def _put(self, profile: Profile, liked_count: int, messages: Sequence[pb.Thumbnail]) -> int:
        thumbnails = thumbnails_from_messages(messages, profile)
        check_thumbnails(thumbnails, liked_count)
        self._additions.put_thumbnails(profile, thumbnails)
        kept = self._additions.thumbnail_set(profile)
        return len(kept.positions) if kept else 0

    def _check(self, profile: Profile, embeddings: Sequence[Embedding]) -> PrecisionCheck:
        kept = self._additions.thumbnail_set(profile)
        check = compare_thumbnails(profile, self._additions.thumbnails(profile), embeddings)
        if kept is not None:
            self._additions.keep_check(profile, check, kept.sha256)
        structlog.get_logger().info(
            "precision_checked",
            profile=str(profile),
            precision=check.precision.value,
            admitted=check.admitted,
            moved_count=check.moved_count,
            max_shift_nats=check.max_shift_nats,
        )
        return check


def _certain(profile: str) -> str:
    if ProfileReference.parse(profile).version is None:
        raise InvalidInput(f"{profile!r} is no certain version: write {profile}@ and its number")
    return profile
