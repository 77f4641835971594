"""The steps of a fit, once its inputs are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from lodestone.cli.errors import CliError, explain
from lodestone.cli.fit.thumbnails import ReadLiked, store_thumbnails
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.fit_set import FitSet
from lodestone.cli.words import reference
from lodestone.novelty.v1.novelty_service_pb2 import EmbeddingBatch, FitOptions
from lodestone.novelty.v1.profile_pb2 import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOrder:
    """What is to be fitted.

    Attributes:
        options: How.
        liked: What is liked; with a base profile what is added to it.
        background: The background sample.
        removed: What to leave out of the base profile.
        read: Finds the bytes of the liked images, those of the base profile too.
    """

    options: FitOptions
    liked: FitSet
    background: FitSet
    removed: Sequence[EmbeddingBatch] = ()
    read: ReadLiked


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to.

    Attributes:
        profile: The new version.
        marked_count: Images that were marked as seen.
        thumbnail_count: Thumbnails that the version has.
    """

    profile: Profile
    marked_count: int
    thumbnail_count: int


async def carry_out(services: FitServices, order: FitOrder) -> Fitted:
    """Fits the profile, marks its images as seen, and gives it thumbnails.

    Raises:
        grpc.aio.AioRpcError: The novelty service refuses the fit.
        CliError: The profile is fitted, but its images could not be marked as seen.
    """
    with services.output.progress() as progress:
        progress.add_task("fitting", total=None, counters="")
        profile = await services.novelty.fit_profile(
            order.options,
            order.liked.embeddings,
            order.background.embeddings,
            labels=order.liked.labels,
            removed=order.removed,
        )
    marked_count = await _mark_seen(services, profile, order.liked)
    thumbnail_count = await store_thumbnails(services, profile, order.read)
    return Fitted(profile, marked_count, thumbnail_count)


async def _mark_seen(services: FitServices, profile: Profile, liked: FitSet) -> int:
    if not any(part.to_mark for part in liked.parts):
        return 0
    try:
        marked = await services.crawler.mark_images_seen(profile.name, liked.images_to_mark)
    except grpc.aio.AioRpcError as error:
        raise CliError(
            f"{reference(profile)} is fitted, but its photos could not be marked as seen "
            f"({explain(error)}): fit it again"
        ) from error
    return marked.marked_count
