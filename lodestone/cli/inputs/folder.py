"""A folder of photos, embedded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lodestone.cli.errors import CliError
from lodestone.cli.image_files import Unreadable, find_images, other_files, read_image, shown
from lodestone.cli.inputs.fit_services import FitServices, digest_of
from lodestone.cli.inputs.kind import Kind
from lodestone.cli.inputs.label_name import label_name
from lodestone.cli.inputs.part import Part
from lodestone.cli.running import ordered_map
from lodestone.cli.words import count_of, one_line
from lodestone.image.v1.embedding_pb2 import Embedding
from lodestone.novelty.v1.profile_pb2 import ImageLabel

_IN_FLIGHT: Final = 16
_KINDS_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with its embedding."""

    path: Path
    digest: str
    embedding: Embedding


async def folder_part(services: FitServices, folder: Path, what: str) -> Part:
    """The photos of a folder and its subfolders that can be read, by name.

    Args:
        services: The embedder computes.
        folder: The folder.
        what: What they are, for the progress bar.

    Raises:
        CliError: There is no such folder, or none of its photos can be read.
    """
    paths = find_images(folder)
    _note_others(services, folder)
    photos, left_out = await embed_photos(services, paths, what)
    if not photos:
        raise CliError(f"none of the {count_of(len(paths), 'image')} can be read")
    return photo_part(folder, photos, left_out)


def _note_others(services: FitServices, folder: Path) -> None:
    others = other_files(folder)
    if others:
        kinds = ", ".join(kind for kind, _ in others.most_common(_KINDS_NAMED))
        more = ", …" if len(others) > _KINDS_NAMED else ""
        files = f"{count_of(others.total(), 'file')} of {shown(folder)} that"
        what = "is no image" if others.total() == 1 else "are no images"
        services.output.note(f"left out {files} {what} Lodestone reads ({kinds}{more})")


def photo_part(folder: Path, photos: list[Photo], left_out: dict[str, Unreadable]) -> Part:
    """Embedded photos of a folder as a part of a fit; at least one."""
    by_digest = {photo.digest: photo.path for photo in photos}

    async def read(digest: str) -> bytes | None:
        image = await read_image(by_digest[digest]) if digest in by_digest else None
        return None if image is None or isinstance(image, Unreadable) else image.encoded

    return Part(
        given=shown(folder),
        kind=Kind.of(photos[0].embedding),
        embeddings=[photo.embedding for photo in photos],
        labels=[_label(photo, folder) for photo in photos],
        names=[str(photo.path) for photo in photos],
        left_out=left_out,
        read=read,
        to_mark=True,
    )


async def embed_photos(
    services: FitServices, paths: Collection[Path], what: str
) -> tuple[list[Photo], dict[str, Unreadable]]:
    """Embeds photos, in their order; what cannot be read is noted, and returned with the reason."""
    photos: list[Photo] = []
    left_out: dict[str, Unreadable] = {}

    async def embed(path: Path) -> Photo | Unreadable:
        image = await read_image(path)
        if isinstance(image, Unreadable):
            return image
        embedding = await services.embed(image.encoded)
        if isinstance(embedding, Unreadable):
            return embedding
        return Photo(path, await digest_of(image.encoded), embedding)

    with services.output.progress() as progress:
        task = progress.add_task(what, total=len(paths), counters="")
        async with services.patience.limit():
            async for path, result in ordered_map(paths, embed, limit=_IN_FLIGHT):
                progress.advance(task)
                if isinstance(result, Photo):
                    photos.append(result)
                else:
                    left_out[str(path)] = result
                    services.output.note(f"left out {shown(path)}: {one_line(result.reason)}")
    return photos, left_out


def _label(photo: Photo, folder: Path) -> ImageLabel:
    return ImageLabel(digest=photo.digest, name=label_name(str(photo.path.relative_to(folder))))
