"""The novelty service's face: requests in, profiles and scores out."""

from __future__ import annotations

from services.novelty.rpc.explaining_servicer import ExplainingServicer
from services.novelty.rpc.liked_servicer import LikedServicer
from services.novelty.rpc.profile_servicer import ProfileServicer
from services.novelty.rpc.scoring_servicer import ScoringServicer
from services.novelty.rpc.thumbnail_servicer import ThumbnailServicer


class NoveltyServicer(
    ProfileServicer, LikedServicer, ThumbnailServicer, ScoringServicer, ExplainingServicer
):
    """Answers NoveltyService: each base answers some of its calls."""
