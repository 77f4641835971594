"""The call that lists the images that a profile was fitted to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.liked_images import LikedImages
from services.novelty.profile import Profile
from services.novelty.rpc.messages import liked_to_message
from services.novelty.rpc.part_servicer import Context, PartServicer
from services.novelty.showing.telling import telling_positions
from services.servicekit.errors import InvalidInput


class LikedServicer(PartServicer):
    """Lists liked images."""

    async def ListLikedImages(
        self, request: pb.ListLikedImagesRequest, context: Context
    ) -> AsyncIterator[pb.ListLikedImagesResponse]:
        """Streams all of them, or some, by position.

        Raises:
            InvalidInput: The selection is not known here.
            NoLikedImages: The profile was fitted before profiles kept them.
            ProfileDamaged: Its thumbnails are damaged, and were asked for.
        """
        profile, liked = await self._cache.find_liked(request.profile)
        if request.selection == pb.LIKED_SELECTION_WITH_THUMBNAIL:
            for one in await asyncio.to_thread(self._additions.thumbnails, profile):
                image = liked_to_message(liked, one.position, thumbnail=one.jpeg)
                yield pb.ListLikedImagesResponse(image=image)
            return
        for position in _selected(request.selection, profile, liked):
            yield pb.ListLikedImagesResponse(image=liked_to_message(liked, position))


def _selected(
    selection: pb.LikedSelection.ValueType, profile: Profile, liked: LikedImages
) -> Sequence[int]:
    if selection == pb.LIKED_SELECTION_UNSPECIFIED:
        return range(len(liked))
    if selection == pb.LIKED_SELECTION_TELLING:
        return telling_positions(liked.held_out_log_likelihoods, profile.taste.threshold_nats)
    raise InvalidInput(f"selection {selection} is not known here")
