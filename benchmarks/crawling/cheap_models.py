"""The three model services, at next to no cost: `python -m benchmarks.crawling.cheap_models`.

The servers, streams and messages are real; an embedding is an angle that depends on the pixels, one image in fifty fits
the profile `benchmark`, and none has a mark. It prints its port and serves until its standard input ends.
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc

from lodestone.embedder.v1 import embedder_service_pb2 as embedder_pb
from lodestone.embedder.v1 import encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import (
    EmbedderServiceServicer,
    add_EmbedderServiceServicer_to_server,
)
from lodestone.image.v1 import embedding_pb2, verdict_pb2
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1 import novelty_service_pb2 as novelty_pb
from lodestone.novelty.v1 import profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import (
    NoveltyServiceServicer,
    add_NoveltyServiceServicer_to_server,
)
from lodestone.watermark.v1 import detector_pb2
from lodestone.watermark.v1 import watermark_service_pb2 as watermark_pb
from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    WatermarkServiceServicer,
    add_WatermarkServiceServicer_to_server,
)

PROFILE = "benchmark"
ACCEPT_EVERY = 50

_ENCODER_ID, _DETECTOR_ID = "e" * 64, "d" * 64
_INPUT_PX = 32
_FULL_TURN = 2 * math.pi
_THRESHOLD_NATS = -_FULL_TURN / ACCEPT_EVERY
# Streams hold a thread each.
_THREADS = 32


class AngleEmbedder(EmbedderServiceServicer):
    """Embeds as an angle."""

    def GetEncoder(
        self,
        request: embedder_pb.GetEncoderRequest,
        context: grpc.ServicerContext,
    ) -> embedder_pb.GetEncoderResponse:
        """Two dimensions."""
        encoder = encoder_pb2.Encoder(
            encoder_id=_ENCODER_ID,
            dimension=2,
            input_width_px=_INPUT_PX,
            input_height_px=_INPUT_PX,
            resize_rule=encoder_pb2.RESIZE_RULE_SQUASH,
            precision=embedding_pb2.PRECISION_FP32,
        )
        return embedder_pb.GetEncoderResponse(encoder=encoder)

    def StreamEmbedImages(
        self, request_iterator: Any, context: Any
    ) -> Iterator[embedder_pb.StreamEmbedImagesResponse]:
        """One answer for each image."""
        for request in request_iterator:
            result = embedder_pb.EmbedResult(value=_embedding(request.image))
            yield embedder_pb.StreamEmbedImagesResponse(id=request.id, result=result)


class AngleNovelty(NoveltyServiceServicer):
    """Likes small angles."""

    def GetProfile(
        self,
        request: novelty_pb.GetProfileRequest,
        context: grpc.ServicerContext,
    ) -> novelty_pb.GetProfileResponse:
        """The only one."""
        profile = profile_pb2.Profile(
            name=PROFILE,
            version=1,
            encoder_id=_ENCODER_ID,
            precision=embedding_pb2.PRECISION_FP32,
            dimension=2,
            threshold_nats=_THRESHOLD_NATS,
            held_out_log_likelihoods=[_THRESHOLD_NATS, 0.0],
        )
        return novelty_pb.GetProfileResponse(profile=profile)

    def StreamScoreEmbeddings(
        self, request_iterator: Any, context: Any
    ) -> Iterator[novelty_pb.StreamScoreEmbeddingsResponse]:
        """One answer for each embedding."""
        for request in request_iterator:
            result = novelty_pb.ScoreResult(value=_score(request.embedding))
            yield novelty_pb.StreamScoreEmbeddingsResponse(id=request.id, result=result)


class BlindWatermark(WatermarkServiceServicer):
    """Sees no mark on anything."""

    def GetDetector(
        self,
        request: watermark_pb.GetDetectorRequest,
        context: grpc.ServicerContext,
    ) -> watermark_pb.GetDetectorResponse:
        """What it says it is."""
        detector = detector_pb2.Detector(
            detector_id=_DETECTOR_ID,
            threshold=0.5,
            input_width_px=_INPUT_PX,
            input_height_px=_INPUT_PX,
        )
        return watermark_pb.GetDetectorResponse(detector=detector)

    def StreamDetectWatermarks(
        self, request_iterator: Any, context: Any
    ) -> Iterator[watermark_pb.StreamDetectWatermarksResponse]:
        """One answer for each image."""
        quadrants = [0.1] * 4
        found = watermark_pb.Detection(
            probability=0.1, quadrant_probabilities=quadrants, threshold=0.5
        )
        for request in request_iterator:
            result = watermark_pb.DetectResult(value=found)
            yield watermark_pb.StreamDetectWatermarksResponse(id=request.id, result=result)


def _embedding(image: Image) -> embedding_pb2.Embedding:
    angle = _FULL_TURN * zlib.crc32(image.pixels.rgb) / 2**32
    return embedding_pb2.Embedding(
        values=[math.cos(angle), math.sin(angle)],
        encoder_id=_ENCODER_ID,
        precision=embedding_pb2.PRECISION_FP32,
    )


def _score(embedding: embedding_pb2.Embedding) -> novelty_pb.Score:
    across, up = embedding.values
    log_likelihood = -(math.atan2(up, across) % _FULL_TURN)
    fits = log_likelihood >= _THRESHOLD_NATS
    return novelty_pb.Score(
        log_likelihood=log_likelihood,
        percentile=50.0 if fits else 0.0,
        verdict=verdict_pb2.VERDICT_ACCEPTED if fits else verdict_pb2.VERDICT_OFF_PROFILE,
        threshold_nats=_THRESHOLD_NATS,
        profile_version=1,
    )


def main() -> None:
    """Serves until standard input ends."""
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS))
    # A crawl calls no other methods.
    add_EmbedderServiceServicer_to_server(AngleEmbedder(), server)  # type: ignore[abstract]
    add_NoveltyServiceServicer_to_server(AngleNovelty(), server)  # type: ignore[abstract]
    add_WatermarkServiceServicer_to_server(BlindWatermark(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
