"""The list of free photos, `photos.csv`: each file with its package, digest, licence and author.

`path` is the file's in its package, `name` a file name that is unique in the package. `kind` was judged by looking at
each photo: landscape, city, macro, animals, people, objects, interior, space, texture, or text, where the scene itself
holds lettering. `split` goes by package, so that no source is both trained on and tested with.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

LISTING: Final = Path(__file__).with_name("photos.csv")


class Registry(StrEnum):
    """Where a package comes from."""

    DEBIAN = "debian"
    NPM = "npm"


class Split(StrEnum):
    """What a photo may be used for: to train, or only to measure."""

    TRAIN = "train"
    HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class FreePhoto:
    """One photo of one package.

    Attributes:
        registry: Where the package comes from.
        package: Its name there; npm's with the version, such as `uikit@3.25.25`.
        path: The file in the package.
        name: A file name for it, unique in the package.
        digest: SHA-256 of its bytes, 64 hex digits.
        licence: As the package states it.
        author: As the package states it.
        kind: What it shows, one word.
        split: What it may be used for.
    """

    registry: Registry
    package: str
    path: PurePosixPath
    name: str
    digest: str
    licence: str
    author: str
    kind: str
    split: Split

    @property
    def target(self) -> PurePosixPath:
        """Where it lies in the folder of fetched photos: `<split>/<package>/<name>`."""
        return PurePosixPath(self.split, self.package.split("@", maxsplit=1)[0], self.name)


def read_listing(path: Path = LISTING) -> list[FreePhoto]:
    """Reads the list.

    Raises:
        OSError: It cannot be read.
        ValueError: A row has another registry or split.
    """
    with path.open(newline="", encoding="utf-8") as rows:
        return [_photo(row) for row in csv.DictReader(rows)]


def write_index(folder: Path, photos: list[FreePhoto]) -> None:
    """Writes `photos.csv` into `folder`: its photos, each with licence and author, under their paths there."""
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file", "sha256", "kind", "licence", "author", "package", "path"))
        rows.writerows(_index_row(photo) for photo in photos)


def packages(photos: list[FreePhoto], registry: Registry) -> Iterator[tuple[str, list[FreePhoto]]]:
    """The packages of one registry in the list's order, each with its photos."""
    names = dict.fromkeys(photo.package for photo in photos if photo.registry is registry)
    for name in names:
        yield name, [photo for photo in photos if photo.package == name]


def _photo(row: dict[str, str]) -> FreePhoto:
    return FreePhoto(
        registry=Registry(row["registry"]),
        package=row["package"],
        path=PurePosixPath(row["path"]),
        name=row["name"],
        digest=row["sha256"],
        licence=row["licence"],
        author=row["author"],
        kind=row["kind"],
        split=Split(row["split"]),
    )


def _index_row(photo: FreePhoto) -> tuple[str, ...]:
    return (
        str(photo.target),
        photo.digest,
        photo.kind,
        photo.licence,
        photo.author,
        photo.package,
        str(photo.path),
    )
