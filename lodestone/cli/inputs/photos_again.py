"""The photos of a profile embedded again, for when the encoder or its precision has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from lodestone.cli.errors import CliError, WrongUsage
from lodestone.cli.image_files import find_images, shown
from lodestone.cli.inputs.fit_input import FitInput, FolderInput, KeptInput
from lodestone.cli.inputs.fit_services import FitServices, kind_of_encoder
from lodestone.cli.inputs.folder import embed_photos, photo_part
from lodestone.cli.inputs.kept import Kept, KeptWish, kept_image, kept_of, kept_part
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.part import Part
from lodestone.cli.inputs.refit_base import RefitBase
from lodestone.cli.inputs.removal import digests_of
from lodestone.cli.words import count_of, printable


@dataclass(slots=True)
class PhotosAgain:
    """Finds the photos of a version by their digests: in given folders, and in the store.

    Attributes:
        services: What computes, and what keeps images.
        base: The version.
        missing: The digests that are still to be found.
        parts: What was found.
    """

    services: FitServices
    base: RefitBase
    missing: set[str]
    parts: list[Part]

    async def find(self, inputs: Sequence[FitInput]) -> None:
        """Looks into the inputs first, then for the rest in the store; notes what is nowhere.

        Raises:
            CliError: Nothing is found, or an input cannot be read.
        """
        kind = kind_of_encoder(await self.services.served())
        for one in inputs:
            match one:
                case FolderInput():
                    await self._look_in_folder(one)
                case KeptInput(name):
                    await self._take(await kept_of(self.services, name), kind, f"kept:{name}")
                case _:
                    raise WrongUsage(f"{shown(one.path)} holds no photos: --photos takes folders")
        stored = [kept for digest in sorted(self.missing) if (kept := await self._stored(digest))]
        await self._take(stored, kind, "the store")
        self._note_missing()
        if not self.parts:
            raise CliError(f"none of the photos of {self.base.reference} is there")

    async def _look_in_folder(self, folder: FolderInput) -> None:
        digests = await digests_of(find_images(folder.path))
        wanted = {digest: path for path, digest in digests.items() if digest in self.missing}
        strangers = sum(digest not in self.base.digests for digest in digests.values())
        if strangers:
            them = count_of(strangers, "photo")
            self.services.output.note(
                f"left out {them} of {shown(folder.path)} that {self.base.reference} was not fitted to: "
                "a refit with --add takes them in"
            )
        photos, left_out = await embed_photos(self.services, list(wanted.values()), "photos")
        if photos:
            self.parts.append(photo_part(folder.path, photos, left_out))
        self.missing -= {photo.digest for photo in photos}

    async def _take(self, kept: list[Kept], kind: Kind, given: str) -> None:
        wanted = [one for one in kept if one.image.digest in self.missing]
        if wanted:
            part = await kept_part(self.services, KeptWish(given, kind), wanted)
            self.parts.append(part)
            self.missing -= {label.digest for label in part.labels}

    async def _stored(self, digest: str) -> Kept | None:
        try:
            return await kept_image(self.services, digest)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise

    def _note_missing(self) -> None:
        for label in self.base.labels:
            if label.digest in self.missing or not label.digest:
                name = printable(label.name) or label.digest[:12]
                self.services.output.note(f"left out {name}: it is nowhere to be found")
