"""What shows embeddings among liked images, as messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1 import profile_pb2
from services.novelty.liked_images import LikedImages
from services.novelty.mixture import Floats
from services.novelty.rpc.messages import liked_to_message
from services.novelty.showing.map_rows import MapRows
from services.novelty.showing.nearest_liked import NearLiked


def explanation_results(
    scores: Sequence[pb.ScoreResult],
    neighbours: Iterable[Sequence[NearLiked]],
    liked: LikedImages,
) -> list[pb.ExplainResult]:
    """Writes one result per score, in order; `neighbours` has those of each that is no rejection."""
    near = iter(neighbours)
    return [
        pb.ExplainResult(rejection=score.rejection)
        if score.HasField("rejection")
        else pb.ExplainResult(value=_explanation(score.value, next(near), liked))
        for score in scores
    ]


def map_points(rows: MapRows, places: Floats) -> list[pb.MapPoint]:
    """Writes n points at (n, 2) places."""
    columns = (rows.positions.tolist(), places.tolist(), rows.log_likelihoods.tolist())
    return [
        pb.MapPoint(
            role=pb.MapRole.Value(f"MAP_ROLE_{role.name}"),
            position=position,
            x=x,
            y=y,
            log_likelihood=log_likelihood,
        )
        for role, position, (x, y), log_likelihood in zip(rows.roles, *columns, strict=True)
    ]


def _explanation(score: pb.Score, near: Sequence[NearLiked], liked: LikedImages) -> pb.Explanation:
    neighbours = [
        profile_pb2.LikedNeighbour(
            image=liked_to_message(liked, one.position), cosine_similarity=one.cosine_similarity
        )
        for one in near
    ]
    return pb.Explanation(score=score, neighbours=neighbours)
