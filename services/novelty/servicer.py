"""The novelty service's face: requests in, profiles and scores out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import structlog

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceServicer
from services.novelty.embedding_messages import EmbeddingRows
from services.novelty.fit_jobs import FitJobs
from services.novelty.liked_set import FitOptions, LikedSet, LikedSetBuilder, Role, UnfitEmbedding
from services.novelty.messages import (
    damaged_to_message,
    options_from_message,
    profile_to_message,
    score_to_message,
)
from services.novelty.mixture import Embeddings, Mixture
from services.novelty.profile import Profile
from services.novelty.profile_cache import ProfileCache
from services.novelty.profile_files import ProfileDamaged
from services.novelty.profile_store import ProfileStore
from services.novelty.scoring import Scorable
from services.servicekit.batcher import Batcher
from services.servicekit.errors import IdleStream, InvalidInput, ItemRejected, NotFound
from services.servicekit.messages import embedding_from_message, rejection_to_message
from services.servicekit.streams import answer_stream

EMBEDDINGS_MAX = 1024
STREAM_EMBEDDINGS_MAX = 256

_ID_MAX_CHARS = 128

# Scored in some 20 µs, less than handing it to another thread costs.
_SMALL_MIXTURE_BYTES = 1_000_000

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class NoveltyLimits:
    """What callers may ask for at once.

    Attributes:
        fit_max_embeddings: Embeddings of one fit at most.
        stream_idle_s: Ends a stream on which nothing moved for so long, seconds.
    """

    fit_max_embeddings: int
    stream_idle_s: float


@dataclass(frozen=True, slots=True)
class NoveltyParts:
    """What the servicer calls."""

    store: ProfileStore
    cache: ProfileCache
    fits: FitJobs
    batcher: Batcher[Scorable, float]


class NoveltyServicer(NoveltyServiceServicer):
    """Answers NoveltyService."""

    def __init__(self, parts: NoveltyParts, limits: NoveltyLimits) -> None:
        self._store = parts.store
        self._cache = parts.cache
        self._fits = parts.fits
        self._batcher = parts.batcher
        self._limits = limits

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

    async def ScoreEmbeddings(
        self, request: pb.ScoreEmbeddingsRequest, context: Context
    ) -> pb.ScoreEmbeddingsResponse:
        """Scores 1 to 1024 embeddings, in their order.

        Raises:
            InvalidInput: No embeddings, or more than 1024.
            OtherEncoder: One is of another encoder or precision than the profile's.
        """
        count = len(request.embeddings)
        if not 1 <= count <= EMBEDDINGS_MAX:
            raise InvalidInput(f"{count} embeddings; a request has 1 to {EMBEDDINGS_MAX}")
        profile = await self._cache.find(request.profile)
        results = await asyncio.to_thread(_score_together, request.embeddings, profile)
        return pb.ScoreEmbeddingsResponse(results=results)

    def StreamScoreEmbeddings(
        self, request_iterator: AsyncIterator[pb.StreamScoreEmbeddingsRequest], context: Context
    ) -> AsyncIterator[pb.StreamScoreEmbeddingsResponse]:
        """Scores one or up to 256 embeddings per message.

        Raises:
            InvalidInput: An id of more than 128 characters, more than 256 embeddings, or both forms in one message.
            OtherEncoder: An embedding is of another encoder or precision than the profile's.
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
            together = await asyncio.to_thread(_score_together, request.embeddings, profile)
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
        return _result(await self._log_likelihood(profile.taste.mixture, values), profile)

    async def _log_likelihood(self, mixture: Mixture, values: Embeddings) -> float:
        if mixture.size_bytes <= _SMALL_MIXTURE_BYTES:
            return float(mixture.quick_log_likelihoods(values[np.newaxis])[0])
        return await self._batcher.compute_when_room((mixture, values))

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


def _score_together(
    messages: Sequence[embedding_pb2.Embedding], profile: Profile
) -> list[pb.ScoreResult]:
    """One result per message, in order; computed as one matrix."""
    read = EmbeddingRows.read(messages, profile)
    scores = iter(profile.taste.mixture.quick_log_likelihoods(read.rows).tolist())
    return [
        pb.ScoreResult(rejection=rejection_to_message(read.rejections[position]))
        if position in read.rejections
        else _result(next(scores), profile)
        for position in range(len(messages))
    ]


def _result(log_likelihood: float, profile: Profile) -> pb.ScoreResult:
    score = profile.taste.score(log_likelihood)
    return pb.ScoreResult(value=score_to_message(score, profile))
