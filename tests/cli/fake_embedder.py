"""The embedder, as the fakes have it: embeddings out of the bytes' digest."""

from __future__ import annotations

import hashlib
import math

from lodestone.embedder.v1 import embedder_service_pb2, encoder_pb2
from lodestone.embedder.v1.embedder_service_pb2_grpc import EmbedderServiceServicer
from lodestone.image.v1 import embedding_pb2, rejection_pb2

ENCODER_ID = "e" * 64


def rejection_of(image):
    """The rejection of an image that does not begin like a JPEG or PNG or does not end like one; None if it does."""
    encoded = image.encoded
    if not encoded.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        code = rejection_pb2.REJECTION_CODE_UNSUPPORTED_FORMAT
        return rejection_pb2.Rejection(code=code, reason="not an image by its first bytes")
    if not encoded.endswith((b"\xff\xd9", b"IEND\xaeB`\x82")):
        code = rejection_pb2.REJECTION_CODE_TRUNCATED
        return rejection_pb2.Rejection(code=code, reason="the file ends before the image does")
    return None


def embedding_of(image):
    """Four coordinates out of the digest of the bytes, L2 norm 1."""
    numbers = [byte + 1 for byte in hashlib.sha256(image.encoded).digest()[:4]]
    norm = math.hypot(*numbers)
    return embedding_pb2.Embedding(
        values=[number / norm for number in numbers],
        encoder_id=ENCODER_ID,
        precision=embedding_pb2.PRECISION_FP32,
    )


class FakeEmbedder(EmbedderServiceServicer):
    """Embeds by digest.

    Attributes:
        precision: What is served.
        embedded: The bytes of every image that was embedded.
    """

    def __init__(self):
        self.precision = embedding_pb2.PRECISION_FP32
        self.embedded = []

    def GetEncoder(self, request, context):  # noqa: N802 - the contract's name
        encoder = encoder_pb2.Encoder(
            encoder_id=ENCODER_ID,
            name="fake",
            dimension=4,
            precision=self.precision,
            input_width_px=8,
            input_height_px=8,
            resize_rule=encoder_pb2.RESIZE_RULE_SQUASH,
        )
        return embedder_service_pb2.GetEncoderResponse(encoder=encoder)

    def EmbedImages(self, request, context):  # noqa: N802 - the contract's name
        results = [self._embed(image) for image in request.images]
        return embedder_service_pb2.EmbedImagesResponse(results=results)

    def StreamEmbedImages(self, requests, context):  # noqa: N802 - the contract's name
        for request in requests:
            yield embedder_service_pb2.StreamEmbedImagesResponse(
                id=request.id, result=self._embed(request.image)
            )

    def _embed(self, image):
        rejection = rejection_of(image)
        if rejection is not None:
            return embedder_service_pb2.EmbedResult(rejection=rejection)
        self.embedded.append(image.encoded)
        embedding = embedding_of(image)
        embedding.precision = self.precision
        return embedder_service_pb2.EmbedResult(value=embedding)
