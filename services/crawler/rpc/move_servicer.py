"""The rpcs that move kept images from one Lodestone to another."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from lodestone.crawler.v1 import crawler_service_pb2 as pb
from services.crawler.catalogue.image_records import (
    ExportChoice,
    Reach,
    keeps_anything,
    knows_source,
)
from services.crawler.moving.importing import Import, Turn, Turns
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.record_messages import (
    exported_to_message,
    imported_to_message,
    record_from_message,
    seconds_of,
    timestamp_of,
)
from services.servicekit.errors import InvalidInput, ItemRejected, NotFound
from services.servicekit.messages import rejection_to_message
from services.servicekit.stream_room import StreamRoom
from services.servicekit.streams import answer_stream

_PROFILE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})(?:@([1-9][0-9]{0,8}))?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_LEFT_OUT = 100_000
# Images of one import that are in memory, and their bytes.
_IN_FLIGHT = 8
_IN_FLIGHT_BYTES = 128 * 1024 * 1024


class MoveServicer(BaseServicer):
    """Exports and imports."""

    async def ExportImages(
        self, request: pb.ExportImagesRequest, context: Context
    ) -> AsyncIterator[pb.ExportImagesResponse]:
        """Streams how far it goes, each image, and the end."""
        choice = _choice(request)
        await self._require_profile(choice.profile_name)
        choice = replace(
            choice,
            source=await self._known_source(choice.source),
            left_out=await self._parts.exporting.places(_left_out(request)),
        )
        reach = await self._parts.exporting.reach(choice)
        yield pb.ExportImagesResponse(horizon=_horizon(reach))
        exported = self._parts.exporting.images(
            replace(choice, reach=reach),
            after=request.after_sequence,
            with_encoded=not request.without_encoded,
        )
        count = 0
        async for image in exported:
            count += 1
            yield pb.ExportImagesResponse(image=exported_to_message(image))
        yield pb.ExportImagesResponse(end=pb.ExportEnd(image_count=count))

    async def ImportImages(
        self, request_iterator: AsyncIterator[pb.ImportImagesRequest], context: Context
    ) -> AsyncIterator[pb.ImportImagesResponse]:
        """Decodes several images at a time, and takes them in the order in which they come."""
        turns = Turns()
        async with self._parts.importing.open() as opened:

            async def answer(request: pb.ImportImagesRequest) -> pb.ImportImagesResponse:
                return await _answer(opened, turns.take(), request)

            async for response in answer_stream(
                request_iterator,
                answer,
                idle_s=self._parts.stream_idle_s,
                shared_room=StreamRoom(_IN_FLIGHT, _IN_FLIGHT_BYTES),
                size_of=lambda request: len(request.encoded),
            ):
                yield response

    async def _require_profile(self, name: str) -> None:
        if name and not await self._parts.database.run(partial(keeps_anything, profile_name=name)):
            await self._parts.board.require_profile(name)

    async def _known_source(self, source: str) -> str:
        """A source as listings have it."""
        if not source or await self._knows(source):
            return source
        # As a crawl would read it; one that is as it is called may be gone by now.
        uri = self._parts.sources.parse(source).uri
        if not await self._knows(uri):
            raise NotFound("source", uri)
        return uri

    async def _knows(self, source: str) -> bool:
        return await self._parts.database.run(partial(knows_source, source=source))


async def _answer(
    opened: Import, turn: Turn, request: pb.ImportImagesRequest
) -> pb.ImportImagesResponse:
    try:
        try:
            embedding = request.embedding if request.HasField("embedding") else None
            record = record_from_message(request.record, embedding)
            candidate = await opened.look(record, request.encoded)
        finally:
            await turn.come()
        imported = await opened.take(record, candidate)
        return pb.ImportImagesResponse(id=request.id, value=imported_to_message(imported))
    except ItemRejected as rejection:
        return pb.ImportImagesResponse(id=request.id, rejection=rejection_to_message(rejection))
    finally:
        turn.over.set()


def _choice(request: pb.ExportImagesRequest) -> ExportChoice:
    profile = _PROFILE.fullmatch(request.profile)
    if request.profile and profile is None:
        message = f"{request.profile[:80]!r} is no profile: `landscapes` or `landscapes@3`"
        raise InvalidInput(message)
    if request.after_sequence < 0:
        message = "after_sequence must not be negative"
        raise InvalidInput(message)
    return ExportChoice(
        profile_name=profile[1] if profile else "",
        profile_version=int(profile[2] or 0) if profile else 0,
        source=request.source,
        since=seconds_of(request.since_time) if request.HasField("since_time") else None,
        until=seconds_of(request.until_time) if request.HasField("until_time") else None,
        earlier=_reach(request.earlier),
        reach=_reach(request.horizon),
    )


def _left_out(request: pb.ExportImagesRequest) -> list[str]:
    digests = list(request.left_out_digests)
    if len(digests) > _MAX_LEFT_OUT:
        message = f"{len(digests):,} left_out_digests: give {_MAX_LEFT_OUT:,} at most"
        raise InvalidInput(message)
    bad = [digest for digest in digests if not _DIGEST.fullmatch(digest)]
    if bad:
        message = f"{bad[0][:80]!r} is no digest: 64 hex digits, lower-case"
        raise InvalidInput(message)
    return digests


def _reach(message: pb.ExportHorizon) -> Reach:
    return Reach(message.sequence, message.digest, seconds_of(message.time))


def _horizon(reach: Reach) -> pb.ExportHorizon:
    time = timestamp_of(reach.time)
    return pb.ExportHorizon(sequence=reach.sequence, digest=reach.digest, time=time)
