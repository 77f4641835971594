"""The calls that make, show and list profiles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.liked_set import FitOptions, LikedSet, LikedSetBuilder, Role, UnfitEmbedding
from services.novelty.messages import damaged_to_message, options_from_message, profile_to_message
from services.novelty.part_servicer import Context, PartServicer
from services.novelty.profile_files import ProfileDamaged
from services.servicekit.errors import IdleStream, InvalidInput, ItemRejected, NotFound
from services.servicekit.messages import embedding_from_message


class ProfileServicer(PartServicer):
    """Fits, shows and lists profiles."""

    async def FitProfile(
        self, request_iterator: AsyncIterator[pb.FitProfileRequest], context: Context
    ) -> pb.FitProfileResponse:
        """Fits a profile and stores it, or returns the one that the request made before.

        Raises:
            InvalidInput: A message, an option or an embedding is wrong.
            IdleStream: The client sent nothing for too long.
        """
        options, liked_set = await self._read_fit(request_iterator)
        profile = await self._fits.run(liked_set, options)
        self._cache.forget_newest(profile.name)
        return pb.FitProfileResponse(profile=profile_to_message(profile))

    async def GetProfile(
        self, request: pb.GetProfileRequest, context: Context
    ) -> pb.GetProfileResponse:
        """Returns one profile."""
        profile = await self._cache.find(request.profile)
        return pb.GetProfileResponse(profile=profile_to_message(profile))

    async def ListProfiles(
        self, request: pb.ListProfilesRequest, context: Context
    ) -> pb.ListProfilesResponse:
        """Returns the newest version of every profile, damaged or not."""
        response = pb.ListProfilesResponse()
        for name in await asyncio.to_thread(self._store.names):
            try:
                profile = await self._cache.find(name)
            except NotFound:
                continue  # it was there a moment ago
            except ProfileDamaged as error:
                structlog.get_logger().warning("profile_damaged", cause=str(error))
                response.profiles.append(damaged_to_message(error))
            else:
                response.profiles.append(profile_to_message(profile, with_lists=False))
        return response

    async def _read_fit(
        self, requests: AsyncIterator[pb.FitProfileRequest]
    ) -> tuple[FitOptions, LikedSet]:
        options: FitOptions | None = None
        builder = LikedSetBuilder(self._limits.fit_max_embeddings)
        async for request in self._until_idle(requests):
            part = request.WhichOneof("part")
            if options is None:
                if part != "options":
                    raise InvalidInput("the first message of a fit must hold its options")
                options = options_from_message(request.options)
            elif part == "options":
                raise InvalidInput("the options came twice: they are the first message alone")
            elif part is None:
                raise InvalidInput("a message of the fit holds nothing")
            else:
                _collect(builder, Role(part), getattr(request, part))
        if options is None:
            raise InvalidInput("the stream ended before the options came")
        return options, await asyncio.to_thread(builder.build)

    async def _until_idle(
        self, requests: AsyncIterator[pb.FitProfileRequest]
    ) -> AsyncIterator[pb.FitProfileRequest]:
        iterator = aiter(requests)
        while True:
            try:
                async with asyncio.timeout(self._limits.stream_idle_s):
                    request = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise IdleStream(self._limits.stream_idle_s) from error
            yield request


def _collect(builder: LikedSetBuilder, role: Role, batch: pb.EmbeddingBatch) -> None:
    for message in batch.embeddings:
        try:
            builder.add(role, embedding_from_message(message))
        except ItemRejected as error:
            raise UnfitEmbedding(role, builder.count(role), error.reason) from error
