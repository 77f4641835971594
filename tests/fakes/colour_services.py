"""Model services whose answers a test can work out: an embedding is a mean colour, and a profile likes a palette."""

from __future__ import annotations

import io
from concurrent import futures

import grpc
import numpy as np
from PIL import Image as PillowImage

from lodestone.embedder.v1 import embedder_service_pb2, encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import (
    EmbedderServiceServicer,
    add_EmbedderServiceServicer_to_server,
)
from lodestone.image.v1 import embedding_pb2, verdict_pb2
from lodestone.image.v1.image_pb2 import Image
from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from lodestone.novelty.v1.novelty_service_pb2_grpc import (
    NoveltyServiceServicer,
    add_NoveltyServiceServicer_to_server,
)
from lodestone.watermark.v1 import detector_pb2, watermark_service_pb2
from lodestone.watermark.v1.watermark_service_pb2_grpc import (
    WatermarkServiceServicer,
    add_WatermarkServiceServicer_to_server,
)

ENCODER_ID = "c" * 64
INPUT_PX = 8
FP32, BF16 = embedding_pb2.PRECISION_FP32, embedding_pb2.PRECISION_BF16
PALETTE = ["red", "orange", "yellow", "lime", "green", "teal", "blue", "purple"]


def embed(image, precision=FP32, shift=0.0):
    """The mean colour of an image message, L2 norm 1; outside of FP32 with its red moved by `shift`."""
    if image.WhichOneof("content") == "pixels":
        rgb = np.frombuffer(image.pixels.rgb, np.uint8).reshape(-1, 3)
    else:
        opened = PillowImage.open(io.BytesIO(image.encoded)).convert("RGB")
        rgb = np.asarray(opened.resize((INPUT_PX, INPUT_PX))).reshape(-1, 3)
    colour = rgb.mean(axis=0) + 1.0
    colour = colour / np.linalg.norm(colour)
    if precision != FP32:
        colour[0] += shift
        colour = colour / np.linalg.norm(colour)
    values = colour.astype(np.float32).tolist()
    return embedding_pb2.Embedding(values=values, encoder_id=ENCODER_ID, precision=precision)


class ColourEmbedder(EmbedderServiceServicer):
    """Embeds by mean colour.

    Attributes:
        precision: What it says that it computes in; tests change it, as a restart does.
        shift: How far that precision moves red.
        batches: How many images each EmbedImages had.
    """

    def __init__(self):
        self.precision = FP32
        self.shift = 0.0
        self.batches = []

    def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        encoder = encoder_pb2.Encoder(
            encoder_id=ENCODER_ID,
            dimension=3,
            input_width_px=INPUT_PX,
            input_height_px=INPUT_PX,
            resize_rule=encoder_pb2.RESIZE_RULE_SQUASH,
            precision=self.precision,
        )
        return embedder_service_pb2.GetEncoderResponse(encoder=encoder)

    def EmbedImages(self, request, context):  # noqa: N802 - the contract's name
        self.batches.append(len(request.images))
        results = [self._embed(image) for image in request.images]
        return embedder_service_pb2.EmbedImagesResponse(results=results)

    def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            result = self._embed(request.image)
            yield embedder_service_pb2.StreamEmbedImagesResponse(id=request.id, result=result)

    def _embed(self, image):
        embedding = embed(image, self.precision, self.shift)
        return embedder_service_pb2.EmbedResult(value=embedding)


class ColourNovelty(NoveltyServiceServicer):
    """One profile, `colours@1`, that likes the colours of a palette: ln p = 100 × the nearest one's cosine similarity.

    Attributes:
        profile: The profile.
        liked: The embeddings of the palette, (n, 3).
        thumbnails: A JPEG of each of its colours; none for a profile that has none.
        keeps_liked: False answers like a service whose profile is too old.
        checks: How many embeddings each CheckPrecision had.
    """

    def __init__(self, threshold_nats=99.0):
        self.thumbnails = [jpeg_of(name) for name in PALETTE]
        self.liked = np.array([embed_bytes(one).values for one in self.thumbnails])
        self.keeps_liked = True
        self.checks = []
        self.profile = profile_pb2.Profile(
            name="colours",
            version=1,
            encoder_id=ENCODER_ID,
            precision=FP32,
            dimension=3,
            threshold_nats=threshold_nats,
            held_out_log_likelihoods=[99.0, 99.5],
            thumbnail_count=len(PALETTE),
        )

    def GetProfile(self, request, context):  # noqa: N802 - the contract's name
        if request.profile not in ("colours", "colours@1"):
            # A real one cuts it, too.
            details = f"there is no profile {request.profile[:100]!r}"
            context.abort(grpc.StatusCode.NOT_FOUND, details)
        return novelty_service_pb2.GetProfileResponse(profile=self.profile)

    def StreamScoreEmbeddings(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            self._require(request.embedding, context)
            result = novelty_service_pb2.ScoreResult(value=self._score(request.embedding))
            yield novelty_service_pb2.StreamScoreEmbeddingsResponse(id=request.id, result=result)

    def ExplainEmbeddings(self, request, context):  # noqa: N802 - the contract's name
        self._require_liked(context)
        results = []
        for embedding in request.embeddings:
            self._require(embedding, context)
            explanation = self._explain(embedding, request.neighbour_count or 3)
            results.append(novelty_service_pb2.ExplainResult(value=explanation))
        return novelty_service_pb2.ExplainEmbeddingsResponse(results=results)

    def ListLikedImages(self, request, context):  # noqa: N802 - the contract's name
        self._require_liked(context)
        assert request.selection == novelty_service_pb2.LIKED_SELECTION_WITH_THUMBNAIL
        for position, thumbnail in enumerate(self.thumbnails):
            image = profile_pb2.LikedImage(position=position, thumbnail=thumbnail)
            yield novelty_service_pb2.ListLikedImagesResponse(image=image)

    def CheckPrecision(self, request, context):  # noqa: N802 - the contract's name
        self.checks.append(len(request.embeddings))
        own = [embed_bytes(one) for one in self.thumbnails]
        before = np.array([self._log_likelihood(one) for one in own])
        after = np.array([self._log_likelihood(one) for one in request.embeddings])
        threshold = self.profile.threshold_nats
        moved = int(np.sum((before >= threshold) != (after >= threshold)))
        shifts = np.abs(before - after)
        check = self.profile.precision_checks.add(
            precision=request.embeddings[0].precision,
            image_count=len(own),
            moved_count=moved,
            max_shift_nats=shifts.max(),
            median_shift_nats=np.median(shifts),
            admitted=moved == 0,
        )
        return novelty_service_pb2.CheckPrecisionResponse(precision_check=check)

    def _require(self, embedding, context):
        admitted = [one.precision for one in self.profile.precision_checks if one.admitted]
        if embedding.precision not in (FP32, *admitted):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "that precision is not admitted")

    def _require_liked(self, context):
        if not self.keeps_liked:
            details = "colours@1 was fitted before profiles kept their liked images: fit it again"
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, details)

    def _similarities(self, embedding):
        return self.liked @ np.array(embedding.values)

    def _log_likelihood(self, embedding):
        return 100.0 * float(self._similarities(embedding).max())

    def _score(self, embedding):
        log_likelihood = self._log_likelihood(embedding)
        fits = log_likelihood >= self.profile.threshold_nats
        return novelty_service_pb2.Score(
            log_likelihood=log_likelihood,
            percentile=60.0 if fits else 10.0,
            verdict=verdict_pb2.VERDICT_ACCEPTED if fits else verdict_pb2.VERDICT_OFF_PROFILE,
            threshold_nats=self.profile.threshold_nats,
            profile_version=1,
        )

    def _explain(self, embedding, count):
        similarities = self._similarities(embedding)
        neighbours = [
            profile_pb2.LikedNeighbour(
                image=profile_pb2.LikedImage(
                    position=place,
                    label=profile_pb2.ImageLabel(name=PALETTE[place], digest=f"{place:064x}"),
                    held_out_log_likelihood=float(place),
                ),
                cosine_similarity=similarities[place],
            )
            for place in np.argsort(-similarities)[:count].tolist()
        ]
        score = self._score(embedding)
        return novelty_service_pb2.Explanation(score=score, neighbours=neighbours)


class PlainWatermark(WatermarkServiceServicer):
    """Sees no mark on anything.

    Attributes:
        probability: What it says of every image; tests change it.
    """

    probability = 0.25

    def GetDetector(self, request, context):  # noqa: N802 - the contract's name
        detector = detector_pb2.Detector(
            detector_id="d" * 64, threshold=0.5, input_width_px=8, input_height_px=8
        )
        return watermark_service_pb2.GetDetectorResponse(detector=detector)

    def StreamDetectWatermarks(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            value = watermark_service_pb2.Detection(
                probability=self.probability,
                quadrant_probabilities=[0.25, 0.0, 0.0, 0.0],
                threshold=0.5,
            )
            yield watermark_service_pb2.StreamDetectWatermarksResponse(
                id=request.id, result=watermark_service_pb2.DetectResult(value=value)
            )


def jpeg_of(colour):
    """A file of one colour, by its name or as (r, g, b)."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (32, 24), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def embed_bytes(encoded):
    """The embedding of a file in FP32."""
    return embed(Image(encoded=encoded))


class ColourServices:
    """All three behind one address, of a free port unless one is given; a context manager.

    Attributes:
        address: `host:port`.
        embedder, novelty, watermark: The servicers.
    """

    def __init__(self, port=0):
        self.embedder = ColourEmbedder()
        self.novelty = ColourNovelty()
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        add_EmbedderServiceServicer_to_server(self.embedder, self._server)
        add_NoveltyServiceServicer_to_server(self.novelty, self._server)
        self.watermark = PlainWatermark()
        add_WatermarkServiceServicer_to_server(self.watermark, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *error):
        self._server.stop(None).wait()
