"""What embedder and novelty have to do with a profile's liked images: thumbnails, precisions, explanations."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from lodestone.embedder.v1 import embedder_service_pb2, embedder_service_pb2_grpc
from lodestone.image.v1 import image_pb2
from lodestone.novelty.v1 import novelty_service_pb2, novelty_service_pb2_grpc
from services.crawler.judgement import ProfileVersion
from services.crawler.models.profile_messages import explanation_from_message, finding_from_message
from services.crawler.models.service_errors import service_error
from services.crawler.profile_facts import Explanation, PrecisionFinding
from services.servicekit.embedding import Embedding
from services.servicekit.messages import (
    embedding_from_message,
    embedding_to_message,
    rejection_from_message,
)

_EMBEDDER = "the embedder"
_NOVELTY = "the novelty service"
# 64 thumbnails take an embedder without a GPU seconds; a profile of 300,000 photos is read from the disk.
_TIMEOUT_S = 40.0


class LikedServices:
    """Asks, and raises Unavailable if a service is away."""

    def __init__(self, embedder: grpc.aio.Channel, novelty: grpc.aio.Channel) -> None:
        self._embedder = embedder_service_pb2_grpc.EmbedderServiceStub(embedder)
        self._novelty = novelty_service_pb2_grpc.NoveltyServiceStub(novelty)

    async def thumbnails(self, profile: ProfileVersion) -> list[bytes]:
        """The thumbnails of a profile version: JPEGs, by position, none if it has none.

        Raises:
            FailedPrecondition: It was fitted before profiles kept their liked images.
            InvalidInput: The profile is gone.
        """
        request = novelty_service_pb2.ListLikedImagesRequest(
            profile=str(profile), selection=novelty_service_pb2.LIKED_SELECTION_WITH_THUMBNAIL
        )
        try:
            answers = self._novelty.ListLikedImages(request, timeout=_TIMEOUT_S)
            return [answer.image.thumbnail async for answer in answers]
        except grpc.aio.AioRpcError as error:
            raise service_error(_NOVELTY, error) from error

    async def embed_files(self, files: Sequence[bytes]) -> list[Embedding]:
        """Embeds 1 to 64 encoded images of 32 MB in all.

        Raises:
            ItemRejected: One of them cannot be read.
        """
        images = [image_pb2.Image(encoded=file) for file in files]
        request = embedder_service_pb2.EmbedImagesRequest(images=images)
        try:
            answer = await self._embedder.EmbedImages(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise service_error(_EMBEDDER, error) from error
        return [_embedding(result) for result in answer.results]

    async def check_precision(
        self, profile: ProfileVersion, embeddings: Sequence[Embedding]
    ) -> PrecisionFinding:
        """Has embeddings of all thumbnails, by position, compared with those in the profile's own precision.

        Raises:
            FailedPrecondition: The profile has no thumbnails.
            InvalidInput: The profile is gone, or these are not embeddings of its thumbnails.
        """
        request = novelty_service_pb2.CheckPrecisionRequest(
            profile=str(profile), embeddings=map(embedding_to_message, embeddings)
        )
        try:
            answer = await self._novelty.CheckPrecision(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise service_error(_NOVELTY, error) from error
        return finding_from_message(answer.precision_check)

    async def explain(self, profile: ProfileVersion, embedding: Embedding) -> Explanation:
        """Scores an embedding and names the three liked images that are nearest to it.

        Raises:
            FailedPrecondition: The profile was fitted before profiles kept their liked images, or to other embeddings.
            InvalidInput: The profile is gone.
            ItemRejected: The embedding is none.
        """
        request = novelty_service_pb2.ExplainEmbeddingsRequest(
            profile=str(profile), embeddings=[embedding_to_message(embedding)]
        )
        try:
            answer = await self._novelty.ExplainEmbeddings(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise service_error(_NOVELTY, error) from error
        [result] = answer.results
        if result.HasField("rejection"):
            raise rejection_from_message(result.rejection)
        return explanation_from_message(result.value)


def _embedding(result: embedder_service_pb2.EmbedResult) -> Embedding:
    if result.HasField("rejection"):
        raise rejection_from_message(result.rejection)
    return embedding_from_message(result.value)
