"""The client of the novelty service."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from lodestone.client.channel import MEBIBYTE
from lodestone.client.client_stream import send_stream
from lodestone.client.left_calls import ended
from lodestone.client.multiplexed_stream import MultiplexedStream
from lodestone.client.service_client import UNARY_TIMEOUT_S, OnWait, ServiceClient
from lodestone.client.transport import PLAINTEXT, Transport
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2 import LIKED_SELECTION_UNSPECIFIED, LikedSelection
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from lodestone.novelty.v1.profile_pb2 import ImageLabel, LikedImage, PrecisionCheck, Profile

if TYPE_CHECKING:
    from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceAsyncStub

Item = TypeVar("Item")

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
    """Learns tastes and scores embeddings. Every method may raise `grpc.aio.AioRpcError`.

    An iterator that is left before its end cancels its call.
    """

    word: ClassVar[str] = "novelty"
    # 1,024 embeddings of 1,920 coordinates, or 8 MB of a fit.
    max_message_bytes: ClassVar[int] = 8 * MEBIBYTE

    def __init__(
        self,
        address: str,
        *,
        transport: Transport = PLAINTEXT,
        max_in_flight: int = 64,
        on_wait: OnWait | None = None,
    ) -> None:
        super().__init__(address, transport=transport)
        self._stub: NoveltyServiceAsyncStub = NoveltyServiceStub(self.channel)
        self._stream: MultiplexedStream[
            pb.StreamScoreEmbeddingsRequest, pb.StreamScoreEmbeddingsResponse
        ] = MultiplexedStream(
            self._stub.StreamScoreEmbeddings,
            max_message_bytes=self.max_message_bytes,
            max_in_flight=max_in_flight,
            on_wait=on_wait,
        )
        self._streams.append(self._stream)

    async def fit_profile(
        self,
        options: pb.FitOptions,
        liked: Collection[Embedding],
        background: Collection[Embedding] = (),
        *,
        labels: Collection[ImageLabel] = (),
        removed: Sequence[pb.EmbeddingBatch] = (),
    ) -> Profile:
        """Fits and stores a new version of the profile; takes as long as the fit takes.

        All collections are gone through again if the stream breaks.

        Args:
            options: How; the same `request_id` again gives the profile that it made the first time.
            liked: At least 8, less with a base profile; all of one encoder id and precision.
            background: Of the same encoder id and precision.
            labels: What the liked are called: one each, in their order, or none.
            removed: What to leave out of the base profile; batches of 4 MB at most, by labels, embeddings or both.

        Raises:
            ValueError: There is another number of labels than of liked embeddings.
        """
        if labels and len(labels) != len(liked):
            raise ValueError(f"{len(labels)} labels for {len(liked)} liked embeddings")

        async def messages() -> AsyncIterator[pb.FitProfileRequest]:
            yield pb.FitProfileRequest(options=options)
            for batch in removed:
                yield pb.FitProfileRequest(removed=batch)
            for batch in _batches(liked, labels):
                yield pb.FitProfileRequest(liked=batch)
            for batch in _batches(background, ()):
                yield pb.FitProfileRequest(background=batch)

        answer = await send_stream(self._stub.FitProfile, messages)
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

    async def update_profile(self, request: pb.UpdateProfileRequest) -> Profile:
        """Sets another threshold; returns the new version, or the one that has this threshold already."""
        answer = await self._stub.UpdateProfile(request, timeout=UNARY_TIMEOUT_S)
        return answer.profile

    async def delete_profile(self, profile: str) -> list[int]:
        """Deletes `name@version`, or every version of `name`; returns the versions, ascending."""
        request = pb.DeleteProfileRequest(profile=profile)
        answer = await self._stub.DeleteProfile(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.versions)

    async def list_liked_images(
        self, profile: str, selection: LikedSelection.ValueType = LIKED_SELECTION_UNSPECIFIED
    ) -> AsyncGenerator[LikedImage, None]:
        """Yields the images that a profile was fitted to, by position: all, or a selection."""
        request = pb.ListLikedImagesRequest(profile=profile, selection=selection)
        with ended(self._stub.ListLikedImages(request)) as answers:
            async for answer in answers:
                yield answer.image

    async def put_thumbnails(self, profile: str, thumbnails: Sequence[pb.Thumbnail]) -> int:
        """Gives `name@version` 1 to 64 thumbnails, unless it has some; returns how many it has then."""
        request = pb.PutThumbnailsRequest(profile=profile, thumbnails=thumbnails)
        answer = await self._stub.PutThumbnails(request, timeout=UNARY_TIMEOUT_S)
        return answer.thumbnail_count

    async def check_precision(
        self, profile: str, embeddings: Sequence[Embedding]
    ) -> PrecisionCheck:
        """Compares embeddings of all thumbnails of `name@version` in another precision with those in its own.

        Args:
            profile: A certain version.
            embeddings: One per thumbnail, by position, ascending; all of one precision.
        """
        request = pb.CheckPrecisionRequest(profile=profile, embeddings=embeddings)
        answer = await self._stub.CheckPrecision(request, timeout=UNARY_TIMEOUT_S)
        return answer.precision_check

    async def explain_embeddings(
        self, profile: str, embeddings: Sequence[Embedding], *, neighbour_count: int = 3
    ) -> list[pb.ExplainResult]:
        """Scores 1 to 64 embeddings and names the 1 to 16 liked images nearest to each; one result each, in order."""
        request = pb.ExplainEmbeddingsRequest(
            profile=profile, embeddings=embeddings, neighbour_count=neighbour_count
        )
        answer = await self._stub.ExplainEmbeddings(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.results)

    async def map_embeddings(
        self, profile: str, embeddings: Sequence[Embedding] = ()
    ) -> list[pb.MapPoint]:
        """The profile's liked images, its background sample and up to 1,000 given embeddings as points of one plane."""
        request = pb.MapEmbeddingsRequest(profile=profile, embeddings=embeddings)
        answer = await self._stub.MapEmbeddings(request, timeout=UNARY_TIMEOUT_S)
        return list(answer.points)

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


def _batches(
    embeddings: Iterable[Embedding], labels: Iterable[ImageLabel]
) -> Iterator[pb.EmbeddingBatch]:
    names = _chunks(labels)
    for chunk in _chunks(embeddings):
        yield pb.EmbeddingBatch(embeddings=chunk, labels=next(names, ()))


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, _BATCH)):
        yield chunk
