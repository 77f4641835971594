"""Embedding messages of one request to their scores."""

from __future__ import annotations

from collections.abc import Sequence

from lodestone.image.v1 import embedding_pb2
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.profile import Profile
from services.novelty.rpc.embedding_messages import EmbeddingRows
from services.novelty.rpc.messages import score_to_message
from services.servicekit.messages import rejection_to_message


def score_together(
    messages: Sequence[embedding_pb2.Embedding], profile: Profile
) -> list[pb.ScoreResult]:
    """One result per message, in order; computed as one matrix.

    Raises:
        OtherEncoder: One is of another encoder than the profile's.
        OtherPrecision: One is of a precision that was not admitted.
    """
    read = EmbeddingRows.read(messages, profile)
    scores = iter(profile.taste.mixture.quick_log_likelihoods(read.rows).tolist())
    return [
        pb.ScoreResult(rejection=rejection_to_message(read.rejections[position]))
        if position in read.rejections
        else score_result(next(scores), profile)
        for position in range(len(messages))
    ]


def score_result(log_likelihood: float, profile: Profile) -> pb.ScoreResult:
    """What a log-likelihood (nats) means, as a result."""
    score = profile.taste.score(log_likelihood)
    return pb.ScoreResult(value=score_to_message(score, profile))
