"""What a refit is to fit: an older version with changes, or its photos embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.fit.early import require_enough
from lodestone.cli.fit.options import ThresholdWay, fit_options
from lodestone.cli.fit.refit_mixture import MixtureWish
from lodestone.cli.fit.steps import FitOrder
from lodestone.cli.inputs.fit_input import FitInput, FolderInput
from lodestone.cli.inputs.fit_services import FitServices, kind_of_encoder
from lodestone.cli.inputs.fit_set import FitSet
from lodestone.cli.inputs.kept import Kept, KeptWish, kept_image, kept_part, read_kept
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part, require_kind
from lodestone.cli.inputs.photos_again import PhotosAgain
from lodestone.cli.inputs.reading import Reading
from lodestone.cli.inputs.refit_base import RefitBase
from lodestone.cli.inputs.removal import Removal
from lodestone.cli.inputs.said import FilesSaid
from lodestone.novelty.v1.profile_pb2 import ImageLabel


@dataclass(frozen=True, slots=True)
class RefitChanges:
    """What differs from the older version.

    Attributes:
        add: What else is liked.
        remove: What to leave out.
        add_images: Digests of kept images that are liked, or their first 8 digits or more.
        remove_images: Digests, the like, or names of liked images to leave out.
        photos: Where to find the photos, to embed them again; without all of the others.

    Raises:
        WrongUsage: There are others.
    """

    add: Sequence[FitInput]
    remove: Sequence[FitInput]
    add_images: Sequence[str]
    remove_images: Sequence[str]
    photos: Sequence[FitInput]

    def __post_init__(self) -> None:
        others = (self.add, self.remove, self.add_images, self.remove_images)
        if self.photos and any(others):
            raise WrongUsage(
                "--photos embeds the same photos again: add and remove in another refit"
            )


@dataclass(frozen=True, slots=True)
class RefitWishes:
    """How to fit.

    Attributes:
        way: Where the threshold goes; as it was, if nothing is stated.
        mixture: How the mixture is fitted.
        background: Takes the place of the background sample, unless empty.
        files: What files of embeddings are said to be of.
    """

    way: ThresholdWay
    mixture: MixtureWish
    background: Sequence[FitInput]
    files: FilesSaid


async def refit_order(
    services: FitServices, base: RefitBase, changes: RefitChanges, wishes: RefitWishes
) -> FitOrder:
    """What is to be fitted.

    Raises:
        CliError: An input cannot be read, or does not go together with the older version.
    """
    others = len(base.labels) + len(changes.add_images)
    require_enough(wishes.mixture.component_count or 0, changes.add, others)
    if changes.photos:
        return await _embedded_again(services, base, changes, wishes)
    return await _changed(services, base, changes, wishes)


async def _changed(
    services: FitServices, base: RefitBase, changes: RefitChanges, wishes: RefitWishes
) -> FitOrder:
    """The older version without what is removed, with what is added."""
    mixture = wishes.mixture.upon(base.profile)
    inputs = (*changes.add, *wishes.background)
    if any(isinstance(one, FolderInput) for one in inputs):
        await _require_served(services, base)
    choice = await wishes.files.choice(services)
    reading = Reading(services, choice, base.kind, base.profile.name)
    # What is named is looked up before anything is embedded.
    removal = Removal(reading, base.digests, [base.find(one) for one in changes.remove_images], [])
    name = base.profile.name
    kept = [await kept_image(services, digest, name) for digest in changes.add_images]
    added = await _added(reading, changes, kept)
    await removal.add(changes.remove)
    background = await reading.read(wishes.background, "background")
    require_kind([*added, *removal.parts, *background], base.kind, base.reference)
    liked = FitSet(added)

    async def read(label: ImageLabel) -> bytes | None:
        # The thumbnails of the older version come along by themselves; other images of it may be in the store.
        encoded = await liked.read(label)
        if encoded is None and label.digest:
            encoded = await read_kept(services.crawler, label.digest)
        return encoded

    return FitOrder(
        options=fit_options(base.profile.name, wishes.way, mixture, base.reference),
        liked=liked,
        background=FitSet(background),
        removed=list(removal.batches()),
        read=read,
    )


async def _embedded_again(
    services: FitServices, base: RefitBase, changes: RefitChanges, wishes: RefitWishes
) -> FitOrder:
    """The photos of the older version, embedded by what is served now."""
    if base.profile.background_count and not wishes.background:
        raise CliError(
            f"the background of {base.reference} must be embedded again too: give it with --background INPUT"
        )
    kind = kind_of_encoder(await services.served())
    way = _inherited(base, wishes.way, kind)
    again = PhotosAgain(services, base, set(base.digests), [])
    await again.find(changes.photos)
    reading = Reading(services, await wishes.files.choice(services), kind, base.profile.name)
    background = await reading.read(wishes.background, "background")
    require_kind([*again.parts, *background], kind, "the embedder")
    liked = FitSet(again.parts)
    return FitOrder(
        options=fit_options(base.profile.name, way, wishes.mixture.alone(base.profile)),
        liked=liked,
        background=FitSet(background),
        read=liked.read,
    )


def _inherited(base: RefitBase, way: ThresholdWay, served: Kind) -> ThresholdWay:
    """Where the threshold goes, if nothing is said: where the older version had it."""
    profile = base.profile
    if way.stated():
        return way
    if profile.keep_ratio or profile.pass_ratio:
        return ThresholdWay(profile.keep_ratio or None, profile.pass_ratio or None)
    if served.encoder_id != profile.encoder_id:
        raise CliError(
            f"the threshold of {base.reference} was stated in nats, which mean nothing under another encoder: "
            "say --keep-ratio, --pass-ratio or --threshold"
        )
    return ThresholdWay(threshold_nats=profile.threshold_nats)


async def _added(reading: Reading, changes: RefitChanges, kept: list[Kept]) -> list[Part]:
    parts = await reading.read(changes.add, "added photos")
    if kept:
        wish = KeptWish("--add-image", reading.kind, reading.profile_name)
        parts.append(await kept_part(reading.services, wish, kept))
    return parts


async def _require_served(services: FitServices, base: RefitBase) -> None:
    difference = kind_of_encoder(await services.served()).difference(base.kind)
    if difference:
        raise CliError(
            f"the embedder serves {difference[0]}, and {base.reference} is of {difference[1]}: "
            f"`lodestone profile refit {base.profile.name} --photos DIR` embeds its photos again"
        )
