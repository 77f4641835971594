"""The rpcs that look at given images, outside of crawls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from lodestone.crawler.v1 import crawler_service_pb2
from lodestone.image.v1 import image_pb2
from services.crawler.judging.judging import JudgeOptions
from services.crawler.models.profile_messages import neighbour_to_message
from services.crawler.rpc.base_servicer import BaseServicer, Context
from services.crawler.rpc.duplicate_messages import looked_up_to_message
from services.crawler.rpc.messages import judgement_to_message
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.image import Rgb, pixels_to_rgb
from services.servicekit.messages import rejection_to_message
from services.servicekit.rejection import RejectionCode
from services.servicekit.streams import answer_stream

_MAX_IMAGES = 64
# Characters; as in the catalogue.
_MAX_NAME = 64


class JudgeServicer(BaseServicer):
    """Given images."""

    async def JudgeImages(
        self, request: crawler_service_pb2.JudgeImagesRequest, context: Context
    ) -> crawler_service_pb2.JudgeImagesResponse:
        """Judges a few images."""
        if not 1 <= len(request.images) <= _MAX_IMAGES:
            message = f"{len(request.images)} images: give 1 to {_MAX_IMAGES}"
            raise InvalidInput(message)
        results = await asyncio.gather(
            *(self._judge(image, request.options) for image in request.images)
        )
        return crawler_service_pb2.JudgeImagesResponse(results=results)

    async def StreamJudgeImages(
        self,
        request_iterator: AsyncIterator[crawler_service_pb2.StreamJudgeImagesRequest],
        context: Context,
    ) -> AsyncIterator[crawler_service_pb2.StreamJudgeImagesResponse]:
        """Judges images one message each."""

        async def answer(
            request: crawler_service_pb2.StreamJudgeImagesRequest,
        ) -> crawler_service_pb2.StreamJudgeImagesResponse:
            result = await self._judge(request.image, request.options)
            return crawler_service_pb2.StreamJudgeImagesResponse(id=request.id, result=result)

        async for response in answer_stream(
            request_iterator, answer, idle_s=self._parts.stream_idle_s
        ):
            yield response

    async def FindDuplicates(
        self, request: crawler_service_pb2.FindDuplicatesRequest, context: Context
    ) -> crawler_service_pb2.FindDuplicatesResponse:
        """Looks an image up."""
        try:
            found = await self._parts.duplicates.find(_image(request.image))
        except ItemRejected as rejection:
            return crawler_service_pb2.FindDuplicatesResponse(
                rejection=rejection_to_message(rejection)
            )
        report = await looked_up_to_message(found, self._parts.database, self._parts.store)
        return crawler_service_pb2.FindDuplicatesResponse(value=report)

    async def MarkImagesSeen(
        self,
        request_iterator: AsyncIterator[crawler_service_pb2.MarkImagesSeenRequest],
        context: Context,
    ) -> crawler_service_pb2.MarkImagesSeenResponse:
        """Marks images as seen before."""
        response = crawler_service_pb2.MarkImagesSeenResponse()
        async for request in request_iterator:
            if not 1 <= len(request.profile_name) <= _MAX_NAME:
                message = f"profile_name must have 1 to {_MAX_NAME} characters"
                raise InvalidInput(message)
            try:
                image = _image(request.image)
                await self._parts.judging.mark_seen(
                    self._parts.database, request.profile_name, image
                )
                response.marked_count += 1
            except ItemRejected:
                response.rejected_count += 1
        return response

    async def _judge(
        self, message: image_pb2.Image, options: crawler_service_pb2.JudgeOptions
    ) -> crawler_service_pb2.JudgeResult:
        how = JudgeOptions(options.profile, options.all_gates, options.screen, options.explain)
        try:
            judged = await self._parts.judging.judge(_image(message), how)
        except ItemRejected as rejection:
            return crawler_service_pb2.JudgeResult(rejection=rejection_to_message(rejection))
        value = judgement_to_message(
            judged.judgement, judged.decoded, judged.digest, judged.profile
        )
        value.nearest_liked.extend(map(neighbour_to_message, judged.nearest))
        return crawler_service_pb2.JudgeResult(value=value)


def _image(message: image_pb2.Image) -> bytes | Rgb:
    content = message.WhichOneof("content")
    if content == "encoded":
        return message.encoded
    if content == "pixels":
        pixels = message.pixels
        return pixels_to_rgb(pixels.rgb, height_px=pixels.height_px, width_px=pixels.width_px)
    raise ItemRejected(RejectionCode.UNSUPPORTED_FORMAT, "the image has no content")
