"""What a refit leaves out, in the contract's form."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import find_images
from lodestone.cli.inputs.fit_input import FitInput, FolderInput, KeptInput
from lodestone.cli.inputs.folder import embed_photos, photo_part
from lodestone.cli.inputs.kept import KeptWish, kept_of, kept_part
from lodestone.cli.inputs.label_name import label_name
from lodestone.cli.inputs.part import Part
from lodestone.cli.inputs.reading import Reading
from lodestone.novelty.v1.novelty_service_pb2 import EmbeddingBatch
from lodestone.novelty.v1.profile_pb2 import ImageLabel

Item = TypeVar("Item")

_BATCH: Final = 256


@dataclass(slots=True)
class Removal:
    """Collects what is to be left out: by digest where the base profile knows it, and else by embedding.

    Attributes:
        reading: How inputs are read.
        known: The digests of the base profile's liked images.
        labels: What is to be left out by digest.
        parts: What is to be left out by embedding.
    """

    reading: Reading
    known: frozenset[str]
    labels: list[ImageLabel]
    parts: list[Part]

    async def add(self, inputs: Sequence[FitInput]) -> None:
        """Adds inputs.

        Raises:
            CliError: One cannot be read.
        """
        for one in inputs:
            match one:
                case FolderInput(path):
                    await self._add_folder(path)
                case KeptInput(name):
                    await self._add_kept(name)
                case _:
                    self.parts += await self.reading.read([one], "removed")

    def batches(self) -> Iterator[EmbeddingBatch]:
        """Yields all of it."""
        for chunk in _chunks(self.labels):
            yield EmbeddingBatch(labels=chunk)
        for part in self.parts:
            labels = _chunks(part.labels)
            for embeddings in _chunks(part.embeddings):
                yield EmbeddingBatch(embeddings=embeddings, labels=next(labels))

    async def _add_kept(self, profile_name: str) -> None:
        kept = await kept_of(self.reading.services, profile_name)
        known = [one for one in kept if one.image.digest in self.known]
        self.labels += [one.label for one in known]
        others = [one for one in kept if one.image.digest not in self.known]
        if others:
            wish = KeptWish(f"kept:{profile_name}", self.reading.kind)
            self.parts.append(await kept_part(self.reading.services, wish, others))

    async def _add_folder(self, folder: Path) -> None:
        digests = await digests_of(find_images(folder))
        self.labels += [
            ImageLabel(digest=digest, name=label_name(str(path.relative_to(folder))))
            for path, digest in digests.items()
            if digest in self.known
        ]
        others = [path for path, digest in digests.items() if digest not in self.known]
        if others:
            photos, left_out = await embed_photos(self.reading.services, others, "removed")
            if photos:
                self.parts.append(photo_part(folder, photos, left_out))


async def digests_of(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file, 64 hex digits.

    Raises:
        CliError: One cannot be read.
    """

    def digest(path: Path) -> str:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CliError(f"{path}: {error.strerror}") from error

    return {path: await asyncio.to_thread(digest, path) for path in paths}


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, _BATCH)):
        yield chunk
