"""The calls that score embeddings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.mixture import Embeddings, Mixture
from services.novelty.profile import Profile
from services.novelty.rpc.part_servicer import Context, PartServicer
from services.novelty.rpc.score_messages import score_result, score_together
from services.servicekit.errors import InvalidInput, ItemRejected
from services.servicekit.messages import embedding_from_message, rejection_to_message
from services.servicekit.streams import answer_stream

EMBEDDINGS_MAX = 1024
STREAM_EMBEDDINGS_MAX = 256

_ID_MAX_CHARS = 128

# Scored in some 20 µs, less than handing it to another thread costs.
_SMALL_MIXTURE_BYTES = 1_000_000


class ScoringServicer(PartServicer):
    """Scores embeddings, together or as a stream."""

    async def ScoreEmbeddings(
        self, request: pb.ScoreEmbeddingsRequest, context: Context
    ) -> pb.ScoreEmbeddingsResponse:
        """Scores 1 to 1024 embeddings, in their order.

        Raises:
            InvalidInput: No embeddings, or more than 1024.
            OtherEncoder: One is of another encoder than the profile's.
            OtherPrecision: One is of a precision that was not admitted.
        """
        count = len(request.embeddings)
        if not 1 <= count <= EMBEDDINGS_MAX:
            raise InvalidInput(f"{count} embeddings; a request has 1 to {EMBEDDINGS_MAX}")
        profile = await self._cache.find(request.profile)
        results = await asyncio.to_thread(score_together, request.embeddings, profile)
        return pb.ScoreEmbeddingsResponse(results=results)

    def StreamScoreEmbeddings(
        self, request_iterator: AsyncIterator[pb.StreamScoreEmbeddingsRequest], context: Context
    ) -> AsyncIterator[pb.StreamScoreEmbeddingsResponse]:
        """Scores one or up to 256 embeddings per message.

        Raises:
            InvalidInput: An id of more than 128 characters, more than 256 embeddings, or both forms in one message.
            OtherEncoder: An embedding is of another encoder than the profile's.
            OtherPrecision: One is of a precision that was not admitted.
            IdleStream: Nothing moved for too long.
        """
        return answer_stream(request_iterator, self._answer, idle_s=self._limits.stream_idle_s)

    async def _answer(
        self, request: pb.StreamScoreEmbeddingsRequest
    ) -> pb.StreamScoreEmbeddingsResponse:
        _check(request)
        profile = await self._cache.find(request.profile)
        answer = pb.StreamScoreEmbeddingsResponse(id=request.id)
        if request.embeddings:
            together = await asyncio.to_thread(score_together, request.embeddings, profile)
            answer.results.extend(together)
        else:
            answer.result.CopyFrom(await self._score_alone(request.embedding, profile))
        return answer

    async def _score_alone(
        self, message: embedding_pb2.Embedding, profile: Profile
    ) -> pb.ScoreResult:
        try:
            values = profile.require_comparable(embedding_from_message(message))
        except ItemRejected as error:
            return pb.ScoreResult(rejection=rejection_to_message(error))
        return score_result(await self._log_likelihood(profile.taste.mixture, values), profile)

    async def _log_likelihood(self, mixture: Mixture, values: Embeddings) -> float:
        if mixture.size_bytes <= _SMALL_MIXTURE_BYTES:
            return float(mixture.quick_log_likelihoods(values[np.newaxis])[0])
        return await self._batcher.compute_when_room((mixture, values))


def _check(request: pb.StreamScoreEmbeddingsRequest) -> None:
    if len(request.id) > _ID_MAX_CHARS:
        raise InvalidInput(f"an id of {len(request.id)} characters; it has at most {_ID_MAX_CHARS}")
    count = len(request.embeddings)
    if count > STREAM_EMBEDDINGS_MAX:
        raise InvalidInput(
            f"{count} embeddings; a message of a stream has at most {STREAM_EMBEDDINGS_MAX}"
        )
    if count and request.HasField("embedding"):
        raise InvalidInput("a message has embedding or embeddings, not both")
