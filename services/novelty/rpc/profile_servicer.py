"""The calls that make, show, change and delete profiles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.fit.liked_set import FitOptions
from services.novelty.fit.rethreshold import with_threshold
from services.novelty.fit.submission import Submission
from services.novelty.fit.threshold_rule import ThresholdRule
from services.novelty.profile import Profile, ProfileReference
from services.novelty.rpc.fit_messages import FitReader
from services.novelty.rpc.messages import damaged_to_message, profile_to_message, rule_from_message
from services.novelty.rpc.part_servicer import Context, PartServicer
from services.novelty.stored.damage import ProfileDamaged
from services.servicekit.errors import IdleStream, NotFound


class ProfileServicer(PartServicer):
    """Fits, shows, lists, changes and deletes profiles."""

    async def FitProfile(
        self, request_iterator: AsyncIterator[pb.FitProfileRequest], context: Context
    ) -> pb.FitProfileResponse:
        """Fits a profile and stores it, or returns the one that the request made before.

        Raises:
            InvalidInput: A message, an option or an embedding is wrong.
            IdleStream: The client sent nothing for too long.
        """
        options, sent = await self._read_fit(request_iterator)
        profile = await self._fits.run(sent, options)
        self._cache.forget(profile.name)
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

    async def UpdateProfile(
        self, request: pb.UpdateProfileRequest, context: Context
    ) -> pb.UpdateProfileResponse:
        """Stores the profile with another threshold, or returns the one that has it.

        Raises:
            InvalidInput: The threshold is none.
            FailedPrecondition: The profile is damaged.
        """
        rule = rule_from_message(request)
        base = await self._cache.find(request.profile)
        profile = await asyncio.to_thread(self._with_threshold, base, rule)
        self._cache.forget(profile.name)
        return pb.UpdateProfileResponse(profile=profile_to_message(profile))

    async def DeleteProfile(
        self, request: pb.DeleteProfileRequest, context: Context
    ) -> pb.DeleteProfileResponse:
        """Deletes one version of a profile, or all."""
        reference = ProfileReference.parse(request.profile)
        versions = await asyncio.to_thread(self._store.delete, reference.name, reference.version)
        self._cache.forget(reference.name)
        return pb.DeleteProfileResponse(versions=versions)

    async def _read_fit(
        self, requests: AsyncIterator[pb.FitProfileRequest]
    ) -> tuple[FitOptions, Submission]:
        reader = FitReader(self._limits.fit_max_embeddings)
        async for request in self._until_idle(requests):
            # A message of 4 MB takes a while; others are scored meanwhile.
            await asyncio.to_thread(reader.read, request)
        return await asyncio.to_thread(reader.finish)

    def _with_threshold(self, base: Profile, rule: ThresholdRule) -> Profile:
        taste = with_threshold(base.taste, rule)
        return base if taste is base.taste else self._store.save_variant(base, taste)

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
