"""The calls that show embeddings among a profile's liked images: the nearest ones, and a map."""

from __future__ import annotations

import asyncio

import numpy as np

from lodestone.novelty.v1 import novelty_service_pb2 as pb
from services.novelty.liked_images import LikedImages
from services.novelty.profile import Profile
from services.novelty.rpc.embedding_messages import EmbeddingRows
from services.novelty.rpc.explanation_messages import explanation_results, map_points
from services.novelty.rpc.part_servicer import Context, PartServicer
from services.novelty.rpc.score_messages import score_together
from services.novelty.showing.map_rows import GIVEN_MAX, MapRows
from services.novelty.showing.nearest_liked import NearestLiked
from services.servicekit.errors import InvalidInput

EXPLAINED_MAX = 64
NEIGHBOURS_MAX = 16

_NEIGHBOURS = 3


class ExplainingServicer(PartServicer):
    """Explains embeddings, and maps them."""

    async def ExplainEmbeddings(
        self, request: pb.ExplainEmbeddingsRequest, context: Context
    ) -> pb.ExplainEmbeddingsResponse:
        """Scores 1 to 64 embeddings and names the liked images nearest to each.

        Raises:
            InvalidInput: No embeddings or more than 64, or more than 16 neighbours.
            OtherEncoder: One is of another encoder than the profile's.
            OtherPrecision: One is of a precision that was not admitted.
            NoLikedImages: The profile was fitted before profiles kept their liked images.
        """
        count = len(request.embeddings)
        if not 1 <= count <= EXPLAINED_MAX:
            raise InvalidInput(f"{count} embeddings; a request has 1 to {EXPLAINED_MAX}")
        if not 0 <= request.neighbour_count <= NEIGHBOURS_MAX:
            raise InvalidInput(
                f"neighbour_count is {request.neighbour_count}, not 1 to {NEIGHBOURS_MAX}, or 0 for {_NEIGHBOURS}"
            )
        profile, liked = await self._cache.find_liked(request.profile)
        results = await asyncio.to_thread(_explain, request, profile, liked)
        return pb.ExplainEmbeddingsResponse(results=results)

    async def MapEmbeddings(
        self, request: pb.MapEmbeddingsRequest, context: Context
    ) -> pb.MapEmbeddingsResponse:
        """Places liked images, the background sample and up to 1,000 embeddings on one plane.

        Raises:
            InvalidInput: More than 1,000 embeddings.
            OtherEncoder: One is of another encoder than the profile's.
            OtherPrecision: One is of a precision that was not admitted.
            NoLikedImages: The profile was fitted before profiles kept their liked images.
            Overloaded: Too many maps are being drawn.
        """
        count = len(request.embeddings)
        if count > GIVEN_MAX:
            raise InvalidInput(f"{count} embeddings; a map has at most {GIVEN_MAX:,}")
        profile, liked = await self._cache.find_liked(request.profile)
        rows = await asyncio.to_thread(_map_rows, request, profile, liked)
        places = await self._maps.run(rows.embeddings)
        return pb.MapEmbeddingsResponse(points=map_points(rows, places))


def _explain(
    request: pb.ExplainEmbeddingsRequest, profile: Profile, liked: LikedImages
) -> list[pb.ExplainResult]:
    scores = score_together(request.embeddings, profile)
    rows = EmbeddingRows.read(request.embeddings, profile).rows
    search = NearestLiked(rows, request.neighbour_count or _NEIGHBOURS)
    search.look_through(liked.embeddings, liked.repeating)
    return explanation_results(scores, search.found(), liked)


def _map_rows(request: pb.MapEmbeddingsRequest, profile: Profile, liked: LikedImages) -> MapRows:
    read = EmbeddingRows.read(request.embeddings, profile)
    positions = np.delete(np.arange(len(request.embeddings)), list(read.rejections))
    taste = profile.taste
    return MapRows.of_profile(taste, liked).with_given(read.rows, positions, taste)
