"""What the contract tests of the novelty service send."""

from __future__ import annotations

import numpy as np

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from tests.novelty.tastes import ENCODER_ID, unit_rows

FP32 = embedding_pb2.PRECISION_FP32


def message(values, *, encoder_id=ENCODER_ID, precision=FP32):
    values = np.asarray(values, np.float32).tolist()
    return embedding_pb2.Embedding(values=values, encoder_id=encoder_id, precision=precision)


def messages(rows, **changes):
    return [message(values, **changes) for values in rows]


def options(**changes):
    fields = {"request_id": "request-1", "name": "landscapes"} | changes
    return pb.FitProfileRequest(options=pb.FitOptions(**fields))


def liked(embeddings):
    return pb.FitProfileRequest(liked=pb.EmbeddingBatch(embeddings=embeddings))


def background(embeddings):
    return pb.FitProfileRequest(background=pb.EmbeddingBatch(embeddings=embeddings))


async def fit(stub, *parts, **changes):
    """Fits 40 images around the first axis, unless other parts are given."""
    parts = parts or (liked(messages(unit_rows(40))),)
    return (await stub.FitProfile(iter([options(**changes), *parts]))).profile


def score_request(embeddings, profile="landscapes"):
    return pb.ScoreEmbeddingsRequest(profile=profile, embeddings=embeddings)
