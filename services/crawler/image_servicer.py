"""The rpcs about kept images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from lodestone.crawler.v1 import crawler_service_pb2
from services.crawler.base_servicer import BaseServicer, Context
from services.crawler.catalogue import images, judgements
from services.crawler.file_state import file_states
from services.crawler.messages import kept_to_message, purge_from_message, purged_to_message

_PAGE = 500


class ImageServicer(BaseServicer):
    """Kept images."""

    async def ListImages(
        self, request: crawler_service_pb2.ListImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.ListImagesResponse]:
        """Streams the kept images."""
        after = (0, "")
        while kept := await self._kept(request.profile_name, after):
            found = [image for image, _ in kept]
            states = await asyncio.to_thread(file_states, self._parts.store, found)
            for (image, judged), state in zip(kept, states, strict=True):
                message = kept_to_message(image, judged, state)
                yield crawler_service_pb2.ListImagesResponse(image=message)
            after = (found[-1].sequence, found[-1].profile.name)
        if request.profile_name and after == (0, ""):
            await self._parts.board.require_profile(request.profile_name)

    async def PurgeImages(
        self, request: crawler_service_pb2.PurgeImagesRequest, context: Context
    ) -> AsyncIterator[crawler_service_pb2.PurgeImagesResponse]:
        """Removes kept images for good."""
        async for image, reason in self._parts.purging.purge(purge_from_message(request)):
            message = purged_to_message(image, reason)
            yield crawler_service_pb2.PurgeImagesResponse(image=message)

    async def _kept(self, profile_name: str, after: tuple[int, str]) -> list[tuple[Any, Any]]:
        def work(connection: Any) -> list[tuple[Any, Any]]:
            kept = images.list_kept(connection, profile_name, after=after, limit=_PAGE)
            return [
                (image, judgements.get_judgement(connection, image.digest, image.profile))
                for image in kept
            ]

        return await self._parts.database.run(work)
