"""The steps of a fit, once its inputs are read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from lodestone.cli.errors import CliError, explain
from lodestone.cli.fit.thumbnails import ReadLiked, store_thumbnails
from lodestone.cli.inputs.fit_services import FitServices
from lodestone.cli.inputs.fit_set import FitSet
from lodestone.novelty.v1.novelty_service_pb2 import EmbeddingBatch, FitOptions
from lodestone.novelty.v1.profile_pb2 import Profile

_BETWEEN_TRIES_S: Final = 5.0


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
    """Marks the images as seen, fits the profile, and gives it thumbnails.

    The marks come first: a fit goes on in the service whatever becomes of its caller, and no crawl by the new version
    may keep a copy of what was liked.

    Raises:
        grpc.aio.AioRpcError: The novelty service refuses the fit.
        CliError: The images could not be marked as seen, and nothing is fitted.
    """
    marked_count = await _mark_seen(services, order)
    profile = await _fit(services, order)
    thumbnail_count = await store_thumbnails(services, profile, order.read)
    return Fitted(profile, marked_count, thumbnail_count)


async def _fit(services: FitServices, order: FitOrder) -> Profile:
    try:
        with services.output.progress() as progress:
            progress.add_task("fitting", total=None, counters="")
            return await _fit_in_turn(services, order)
    except asyncio.CancelledError:
        services.output.note(
            f"interrupted: the novelty service goes on with a fit that it has begun, and {order.options.name} may get "
            "a new version without new thumbnails (`lodestone profile list` shows it; fit again for them)"
        )
        raise


async def _fit_in_turn(services: FitServices, order: FitOrder) -> Profile:
    """Asks for the fit, again and again while the service has too many: embedding it all was too much work to lose."""
    is_told = False
    while True:
        try:
            return await services.novelty.fit_profile(
                order.options,
                order.liked.embeddings,
                order.background.embeddings,
                labels=order.liked.labels,
                removed=order.removed,
            )
        except grpc.aio.AioRpcError as error:
            if not _is_queue_full(error):
                raise
            if not is_told:
                services.output.note(
                    f"waiting for a turn: {explain(error)} (every {_BETWEEN_TRIES_S:g} s)"
                )
            is_told = True
            await asyncio.sleep(_BETWEEN_TRIES_S)


def _is_queue_full(error: grpc.aio.AioRpcError) -> bool:
    """Whether trying again may help: gRPC has the same code for a message that is too large, always."""
    too_large = "larger than max" in (error.details() or "")
    return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and not too_large


async def _mark_seen(services: FitServices, order: FitOrder) -> int:
    if not any(part.to_mark for part in order.liked.parts):
        return 0
    try:
        marked = await services.crawler.mark_images_seen(
            order.options.name, order.liked.images_to_mark
        )
    except grpc.aio.AioRpcError as error:
        raise CliError(
            f"the photos could not be marked as seen, and nothing is fitted: {explain(error)}"
        ) from error
    return marked.marked_count
