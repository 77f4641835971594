"""The three model services as the crawler sees them: domain values in and out, waiting while one is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import numpy as np
import structlog

from lodestone.client import MultiplexedStream
from lodestone.embedder.v1 import (
    embedder_service_pb2,
    embedder_service_pb2_grpc,
    encoder_pb2,
)
from lodestone.novelty.v1 import novelty_service_pb2, novelty_service_pb2_grpc, profile_pb2
from lodestone.watermark.v1 import watermark_service_pb2, watermark_service_pb2_grpc
from services.crawler.judgement import Detection, ProfileVersion, Score
from services.crawler.models.detection_messages import detection_from_message
from services.crawler.models.profile_messages import facts_from_message, score_from_message
from services.crawler.models.service_errors import service_error
from services.crawler.profile_facts import ProfileFacts
from services.crawler.score_distribution import ProfileScores
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import (
    ItemRejected,
    NotFound,
)
from services.servicekit.image import Rgb
from services.servicekit.messages import (
    embedding_from_message,
    embedding_to_message,
    precision_from_message,
    rejection_from_message,
    rgb_to_image,
)
from services.servicekit.resize import InputShape, ResizeRule

_FACTS_TIMEOUT_S = 5.0
# What a message of the stream may hold.
_SCORED_TOGETHER = 256

_EmbedStream = MultiplexedStream[
    embedder_service_pb2.StreamEmbedImagesRequest, embedder_service_pb2.StreamEmbedImagesResponse
]
_ScoreStream = MultiplexedStream[
    novelty_service_pb2.StreamScoreEmbeddingsRequest,
    novelty_service_pb2.StreamScoreEmbeddingsResponse,
]
_DetectStream = MultiplexedStream[
    watermark_service_pb2.StreamDetectWatermarksRequest,
    watermark_service_pb2.StreamDetectWatermarksResponse,
]


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What the crawler needs to know of the encoder that is served."""

    encoder_id: str
    precision: Precision
    input_shape: InputShape


@dataclass(frozen=True, slots=True)
class DetectorFacts:
    """What the crawler needs to know of the detector that is served."""

    detector_id: str
    threshold: float
    input_shape: InputShape


class ModelServices:
    """Calls embedder, novelty and watermark over one bidi stream each (novelty: one per profile).

    `embed`, `score` and `detect` wait for as long as their service is away; the methods that ask for facts raise
    Unavailable instead.
    """

    def __init__(
        self, embedder: grpc.aio.Channel, novelty: grpc.aio.Channel, watermark: grpc.aio.Channel
    ) -> None:
        self._embedder = embedder_service_pb2_grpc.EmbedderServiceStub(embedder)
        self._novelty = novelty_service_pb2_grpc.NoveltyServiceStub(novelty)
        self._watermark = watermark_service_pb2_grpc.WatermarkServiceStub(watermark)
        self._waits: dict[str, str] = {}
        self._embeds: _EmbedStream = self._stream("embedder", self._embedder.StreamEmbedImages)
        self._detects: _DetectStream = self._stream(
            "watermark", self._watermark.StreamDetectWatermarks
        )
        self._scores: dict[ProfileVersion, _ScoreStream] = {}

    @property
    def waiting_for(self) -> str:
        """Which services calls are waiting for, one sentence; empty while all is well."""
        return "; ".join(f"waiting for the {word}: {why}" for word, why in self._waits.items())

    async def encoder(self) -> EncoderFacts:
        """Asks which encoder is served.

        Raises:
            Unavailable: The embedder is away.
        """
        request = embedder_service_pb2.GetEncoderRequest()
        try:
            answer = await self._embedder.GetEncoder(request, timeout=_FACTS_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise service_error("the embedder", error) from error
        encoder = answer.encoder
        rule = encoder_pb2.ResizeRule.Name(encoder.resize_rule).removeprefix("RESIZE_RULE_")
        shape = InputShape(encoder.input_width_px, encoder.input_height_px, ResizeRule[rule])
        return EncoderFacts(encoder.encoder_id, precision_from_message(encoder.precision), shape)

    async def detector(self) -> DetectorFacts:
        """Asks which detector is served.

        Raises:
            Unavailable: The watermark service is away.
        """
        request = watermark_service_pb2.GetDetectorRequest()
        try:
            answer = await self._watermark.GetDetector(request, timeout=_FACTS_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise service_error("the watermark service", error) from error
        detector = answer.detector
        shape = InputShape(detector.input_width_px, detector.input_height_px, quartered=True)
        return DetectorFacts(detector.detector_id, detector.threshold, shape)

    async def profile(self, name: str) -> ProfileFacts:
        """Asks for a profile by `landscapes` or `landscapes@3`.

        Raises:
            NotFound: There is none.
            Unavailable: The novelty service is away.
        """
        return facts_from_message(await self._get_profile(name))

    async def profile_scores(self, profile: ProfileVersion) -> ProfileScores:
        """Asks for the scores that a profile version was calibrated with; raises what `profile` does."""
        found = await self._get_profile(str(profile))
        return ProfileScores(
            found.threshold_nats,
            np.array(found.held_out_log_likelihoods, dtype=np.float64),
            np.array(found.background_log_likelihoods, dtype=np.float64),
        )

    async def embed(self, rgb: Rgb) -> Embedding:
        """Embeds pixels of the encoder's input size, (h, w, 3) uint8.

        Raises:
            ItemRejected: The embedder rejects them.
        """
        request = embedder_service_pb2.StreamEmbedImagesRequest(image=rgb_to_image(rgb))
        try:
            answer = await self._embeds.call(request)
        except grpc.aio.AioRpcError as error:
            raise service_error("the embedder", error) from error
        if answer.result.HasField("rejection"):
            raise rejection_from_message(answer.result.rejection)
        return embedding_from_message(answer.result.value)

    async def score(self, profile: ProfileVersion, embedding: Embedding) -> Score:
        """Scores an embedding under a profile version.

        Raises:
            FailedPrecondition: The embedding is of another encoder or precision.
            NotFound: The profile is gone.
        """
        request = novelty_service_pb2.StreamScoreEmbeddingsRequest(
            profile=str(profile), embedding=embedding_to_message(embedding)
        )
        score = _score((await self._call_scores(profile, request)).result)
        if isinstance(score, ItemRejected):
            raise score
        return score

    async def score_many(
        self, profile: ProfileVersion, embeddings: Sequence[Embedding]
    ) -> list[Score | ItemRejected]:
        """Scores embeddings as `score` does, as many at a time as a message holds; one result each, in their order."""
        parts = [
            embeddings[start : start + _SCORED_TOGETHER]
            for start in range(0, len(embeddings), _SCORED_TOGETHER)
        ]
        answers = await asyncio.gather(*(self._score_together(profile, part) for part in parts))
        return [score for answer in answers for score in answer]

    async def _score_together(
        self, profile: ProfileVersion, embeddings: Sequence[Embedding]
    ) -> list[Score | ItemRejected]:
        request = novelty_service_pb2.StreamScoreEmbeddingsRequest(
            profile=str(profile), embeddings=map(embedding_to_message, embeddings)
        )
        answer = await self._call_scores(profile, request)
        return [_score(result) for result in answer.results]

    async def _call_scores(
        self, profile: ProfileVersion, request: novelty_service_pb2.StreamScoreEmbeddingsRequest
    ) -> novelty_service_pb2.StreamScoreEmbeddingsResponse:
        stream = self._scores.get(profile)
        if stream is None:
            # One per profile: what ends one profile's stream must not end another's.
            stream = self._stream("novelty service", self._novelty.StreamScoreEmbeddings)
            self._scores[profile] = stream
        try:
            return await stream.call(request)
        except grpc.aio.AioRpcError as error:
            raise service_error("the novelty service", error) from error

    async def detect(self, rgb: Rgb, detector_id: str) -> Detection:
        """Judges pixels of the detector's input size, (h, w, 3) uint8.

        Raises:
            ItemRejected: The watermark service rejects them.
            FailedPrecondition: Its detector gives what is no probability.
        """
        request = watermark_service_pb2.StreamDetectWatermarksRequest(image=rgb_to_image(rgb))
        try:
            answer = await self._detects.call(request)
        except grpc.aio.AioRpcError as error:
            raise service_error("the watermark service", error) from error
        return detection_from_message(answer.result, detector_id)

    async def close(self) -> None:
        """Ends the streams."""
        streams: list[MultiplexedStream[Any, Any]] = [self._embeds, self._detects]
        for stream in (*streams, *self._scores.values()):
            await stream.close()

    async def _get_profile(self, name: str) -> profile_pb2.Profile:
        request = novelty_service_pb2.GetProfileRequest(profile=name)
        try:
            answer = await self._novelty.GetProfile(request, timeout=_FACTS_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                kind = "profile"
                raise NotFound(kind, name) from error
            raise service_error("the novelty service", error) from error
        return answer.profile

    def _stream(self, word: str, open_stream: Callable[..., Any]) -> MultiplexedStream[Any, Any]:
        return MultiplexedStream(open_stream, on_wait=partial(self._waiting, word))

    def _waiting(self, word: str, why: str | None) -> None:
        if why is None:
            self._waits.pop(word, None)
            structlog.get_logger().info("service_back", dependency=word)
        else:
            self._waits[word] = why
            structlog.get_logger().warning("service_away", dependency=word, cause=why)


def _score(result: novelty_service_pb2.ScoreResult) -> Score | ItemRejected:
    if result.HasField("rejection"):
        return rejection_from_message(result.rejection)
    return score_from_message(result.value)
