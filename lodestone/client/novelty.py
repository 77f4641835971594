"""The client of the novelty service."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final

from lodestone.client.channel import MEBIBYTE
from lodestone.client.client_stream import send_stream
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.service_client import UNARY_TIMEOUT_S, OnWait, ServiceClient
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from lodestone.novelty.v1.profile_pb2 import Profile

if TYPE_CHECKING:
    from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceAsyncStub

_BATCH: Final = 256
# Enough that the server never waits, and few enough that a stream holds some 10 MB of embeddings.
_BATCHES_IN_FLIGHT: Final = 8


class ResultsMissing(Exception):
    """The server answered a message of many embeddings with another number of results: it may be too old for that.

    Attributes:
        wanted: How many embeddings were sent.
        found: How many results came.
    """

    def __init__(self, wanted: int, found: int) -> None:
        super().__init__(
            f"{found} results came for {wanted} embeddings; the novelty service may be an older version"
        )
        self.wanted = wanted
        self.found = found


class NoveltyClient(ServiceClient):
    """Learns tastes and scores embeddings. Every method may raise `grpc.aio.AioRpcError`."""

    word: ClassVar[str] = "novelty"
    max_message_bytes: ClassVar[int] = 32 * MEBIBYTE

    def __init__(
        self, address: str, *, max_in_flight: int = 64, on_wait: OnWait | None = None
    ) -> None:
        super().__init__(address)
        self._stub: NoveltyServiceAsyncStub = NoveltyServiceStub(self.channel)
        self._stream: MultiplexedStream[
            pb.StreamScoreEmbeddingsRequest, pb.StreamScoreEmbeddingsResponse
        ] = MultiplexedStream(
            self._stub.StreamScoreEmbeddings, max_in_flight=max_in_flight, on_wait=on_wait
        )
        self._streams.append(self._stream)

    async def fit_profile(
        self,
        options: pb.FitOptions,
        liked: Collection[Embedding],
        background: Collection[Embedding] = (),
    ) -> Profile:
        """Fits and stores a new version of the profile; takes as long as the fit takes.

        Args:
            options: How; the same `request_id` again gives the profile that it made the first time.
            liked: At least 8, all of one encoder id and precision; gone through again if the stream breaks.
            background: Of the same encoder id and precision.
        """
        answer = await send_stream(
            self._stub.FitProfile, lambda: _fit_messages(options, liked, background)
        )
        return answer.profile

    async def get_profile(self, profile: str) -> Profile:
        """The profile `name` (its newest version) or `name@version`."""
        request = pb.GetProfileRequest(profile=profile)
        answer = await self._stub.GetProfile(request, timeout=UNARY_TIMEOUT_S)
        return answer.profile

    async def list_profiles(self) -> list[Profile]:
        """The newest version of each profile, by name, without the lists of log-likelihoods."""
        answer = await self._stub.ListProfiles(pb.ListProfilesRequest(), timeout=UNARY_TIMEOUT_S)
        return list(answer.profiles)

    async def score_embeddings(
        self, profile: str, embeddings: Sequence[Embedding]
    ) -> list[pb.ScoreResult]:
        """Scores 1 to 1024 embeddings; one result each, in order."""
        request = pb.ScoreEmbeddingsRequest(profile=profile, embeddings=embeddings)
        answer = await self._stub.ScoreEmbeddings(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.results)

    async def score(self, profile: str, embedding: Embedding) -> pb.ScoreResult:
        """Scores one embedding over the shared stream; waits for the server as long as the caller does."""
        request = pb.StreamScoreEmbeddingsRequest(profile=profile, embedding=embedding)
        answer = await self._stream.call(request)
        return answer.result

    async def score_many(
        self, profile: str, embeddings: Iterable[Embedding]
    ) -> AsyncGenerator[pb.ScoreResult, None]:
        """Scores any number of embeddings over the shared stream, 256 a message; yields one result each, in order.

        The fastest way to score. Embeddings are taken a few messages ahead of the results, and the server is waited for
        as long as the caller does.

        Args:
            profile: `name` or `name@version`. A name means the newest version of the moment, message by message.
            embeddings: All of the profile's encoder id and precision; a bad one is a rejection in its place.

        Raises:
            ResultsMissing: The server does not know messages of many embeddings.
        """
        running: deque[asyncio.Task[Sequence[pb.ScoreResult]]] = deque()
        try:
            for batch in _chunks(embeddings):
                running.append(asyncio.create_task(self._score_batch(profile, batch)))
                if len(running) == _BATCHES_IN_FLIGHT:
                    for result in await running.popleft():
                        yield result
            while running:
                for result in await running.popleft():
                    yield result
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _score_batch(
        self, profile: str, embeddings: Sequence[Embedding]
    ) -> Sequence[pb.ScoreResult]:
        request = pb.StreamScoreEmbeddingsRequest(profile=profile, embeddings=embeddings)
        answer = await self._stream.call(request)
        if len(answer.results) != len(embeddings):
            raise ResultsMissing(len(embeddings), len(answer.results))
        return answer.results


async def _fit_messages(
    options: pb.FitOptions, liked: Iterable[Embedding], background: Iterable[Embedding]
) -> AsyncIterator[pb.FitProfileRequest]:
    yield pb.FitProfileRequest(options=options)
    for batch in _batches(liked):
        yield pb.FitProfileRequest(liked=batch)
    for batch in _batches(background):
        yield pb.FitProfileRequest(background=batch)


def _batches(embeddings: Iterable[Embedding]) -> Iterator[pb.EmbeddingBatch]:
    for chunk in _chunks(embeddings):
        yield pb.EmbeddingBatch(embeddings=chunk)


def _chunks(embeddings: Iterable[Embedding]) -> Iterator[list[Embedding]]:
    remaining = iter(embeddings)
    while chunk := list(islice(remaining, _BATCH)):
        yield chunk
