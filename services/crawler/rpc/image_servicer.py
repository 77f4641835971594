"""The rpcs about kept images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from lodestone.crawler.v1 import crawler_service_pb2, kept_image_pb2
from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue import embeddings, judgements, kept_images
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import Judgement
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.messages import (
    DIGEST_PREFIX,
    kept_to_message,
    purge_from_message,
    purged_to_message,
)
from services.crawler.store.file_state import file_states
from services.servicekit.embedding import Embedding
from services.servicekit.errors import InvalidInput, NotFound
from services.servicekit.messages import embedding_to_message

_PAGE = 500
# A message has room for 64 MiB: the rest is for the facts beside the bytes.
_MAX_ENCODED_BYTES = 63 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Known:
    """Kept images with what the catalogue knows of them; embeddings by digest."""

    kept: Sequence[KeptImage]
    judged: Sequence[tuple[DecodedCandidate, Judgement] | None]
    embeddings: dict[str, Embedding]


class ImageServicer(BaseServicer):
    """Kept images."""

    async def ListImages(
        self, request: crawler_service_pb2.ListImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.ListImagesResponse]:
        """Streams the kept images, a page at a time."""
        sent = 0
        async for known in self._pages(request):
            for message in await self._messages(known):
                answer = crawler_service_pb2.ListImagesResponse(image=message)
                if message.digest in known.embeddings:
                    found = known.embeddings[message.digest]
                    answer.embedding.CopyFrom(embedding_to_message(found))
                sent += 1
                yield answer
        if request.profile_name and not sent:
            await self._parts.board.require_profile(request.profile_name)

    async def GetImage(
        self, request: crawler_service_pb2.GetImageRequest, context: Context
    ) -> crawler_service_pb2.GetImageResponse:
        """Returns one kept image."""
        if not DIGEST_PREFIX.fullmatch(request.digest):
            message = f"{request.digest[:80]!r} is no digest: 8 to 64 hex digits, lower-case"
            raise InvalidInput(message)
        known = await self._parts.database.run(partial(_get, prefix=request.digest))
        messages = await self._messages(known)
        if not messages:
            kind = "kept image"
            raise NotFound(kind, request.digest)
        answer = crawler_service_pb2.GetImageResponse(images=messages)
        digest = known.kept[0].digest
        if digest in known.embeddings:
            answer.embedding.CopyFrom(embedding_to_message(known.embeddings[digest]))
        if request.with_encoded:
            read = partial(self._parts.store.read, digest, max_bytes=_MAX_ENCODED_BYTES)
            answer.encoded = await asyncio.to_thread(read)
        return answer

    async def PurgeImages(
        self, request: crawler_service_pb2.PurgeImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.PurgeImagesResponse]:
        """Removes kept images for good."""
        async for image, reason in self._parts.purging.purge(purge_from_message(request)):
            message = purged_to_message(image, reason)
            yield crawler_service_pb2.PurgeImagesResponse(image=message)

    async def _pages(self, request: crawler_service_pb2.ListImagesRequest) -> AsyncIterator[_Known]:
        """What was kept when it was asked for: with `newest`, what comes later is left out."""
        if request.newest < 0:
            message = "newest must not be negative"
            raise InvalidInput(message)
        after, left = (0, ""), request.newest or None
        if left:
            find = partial(kept_images.before_newest, profile_name=request.profile_name, count=left)
            after = await self._parts.database.run(find)
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            known = await self._parts.database.run(
                partial(_page, request=request, after=after, limit=limit)
            )
            if not known.kept:
                return
            yield known
            after = (known.kept[-1].sequence, known.kept[-1].profile.name)
            left = None if left is None else left - len(known.kept)

    async def _messages(self, known: _Known) -> list[kept_image_pb2.KeptImage]:
        """What is kept; what was replaced or purged since it was read is left out."""
        states = await file_states(self._parts.database, self._parts.store, known.kept)
        return [
            kept_to_message(image, judged, state, self._parts.store.address)
            for image, judged, state in zip(known.kept, known.judged, states, strict=True)
            if state is not None
        ]


def _page(
    connection: Connection,
    request: crawler_service_pb2.ListImagesRequest,
    after: tuple[int, str],
    limit: int,
) -> _Known:
    kept = kept_images.list_kept(connection, request.profile_name, after=after, limit=limit)
    return _known(connection, kept, with_embeddings=request.with_embeddings)


def _get(connection: Connection, prefix: str) -> _Known:
    return _known(connection, kept_images.get_kept(connection, prefix), with_embeddings=True)


def _known(connection: Connection, kept: Sequence[KeptImage], *, with_embeddings: bool) -> _Known:
    judged = [judgements.get_judgement(connection, one.digest, one.profile) for one in kept]
    digests = sorted({one.digest for one in kept}) if with_embeddings else []
    return _Known(kept, judged, embeddings.get_embeddings(connection, digests))
