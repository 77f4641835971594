"""The novelty service's face: requests in, profiles and scores out."""

from __future__ import annotations

from services.novelty.explaining_servicer import ExplainingServicer
from services.novelty.liked_servicer import LikedServicer
from services.novelty.profile_servicer import ProfileServicer
from services.novelty.scoring_servicer import ScoringServicer
from services.novelty.thumbnail_servicer import ThumbnailServicer


class NoveltyServicer(
    ProfileServicer, LikedServicer, ThumbnailServicer, ScoringServicer, ExplainingServicer
):
    """Answers NoveltyService: each base answers some of its calls."""
