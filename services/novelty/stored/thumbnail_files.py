"""Thumbnails on disk: a folder of JPEGs, embeddings.npy and thumbnails.json, written once and whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.embedding_file import open_embeddings, write_embeddings
from services.novelty.stored.profile_facts import first_problem
from services.novelty.stored.stored_files import UnusableFile, link_or_copy, read_up_to
from services.novelty.thumbnails import MAX_JPEG_BYTES, MAX_THUMBNAILS, Thumbnail

GIVEN: Final = "thumbnails"
"""The folder of what PutThumbnails stored; it stands in place of what was carried over, and holds that too."""

CARRIED: Final = "thumbnails-carried"
"""The folder of what a refit took over from the version that it began with."""

_FACTS_FILE: Final = "thumbnails.json"
_EMBEDDINGS_FILE: Final = "embeddings.npy"
_MAX_FACTS_BYTES: Final = 64 * 1024

_Position = Annotated[int, Field(ge=0, lt=2**31)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ThumbnailFacts:
    """What stands in thumbnails.json; lists have one value per thumbnail, by position, ascending."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    format_version: Literal[1]
    positions: Annotated[list[_Position], Field(min_length=1, max_length=MAX_THUMBNAILS)]
    jpeg_sha256: list[_Sha256]
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    embeddings_sha256: _Sha256


@dataclass(frozen=True, slots=True)
class ThumbnailSet:
    """Which thumbnails a version has.

    Attributes:
        positions: Of their images, ascending; 1 to 64.
        sha256: Of all that is kept of them; another set has another one.
    """

    positions: tuple[int, ...]
    sha256: str


def write_thumbnails(folder: Path, thumbnails: Sequence[Thumbnail]) -> None:
    """Writes 1 to 64 thumbnails, by position, ascending, into an empty folder; does not sync them."""
    for thumbnail in thumbnails:
        (folder / _jpeg_name(thumbnail.position)).write_bytes(thumbnail.jpeg)
    embeddings = np.stack([thumbnail.embedding for thumbnail in thumbnails])
    facts = _ThumbnailFacts(
        format_version=1,
        positions=[thumbnail.position for thumbnail in thumbnails],
        jpeg_sha256=[hashlib.sha256(thumbnail.jpeg).hexdigest() for thumbnail in thumbnails],
        dimension=embeddings.shape[1],
        embeddings_sha256=write_embeddings(folder / _EMBEDDINGS_FILE, embeddings),
    )
    (folder / _FACTS_FILE).write_bytes(TypeAdapter(_ThumbnailFacts).dump_json(facts) + b"\n")


def find_thumbnails(version: Path) -> ThumbnailSet | None:
    """Says which thumbnails the folder of a version has, without a look at them; None if it has none.

    Raises:
        UnusableFile: Their thumbnails.json is not what it should be.
    """
    folder = _folder(version)
    if folder is None:
        return None
    facts, sha256 = _read_facts(folder)
    return ThumbnailSet(tuple(facts.positions), sha256)


def read_thumbnails(version: Path, dimension: int) -> tuple[Thumbnail, ...]:
    """Reads the thumbnails of a version, by position, ascending; none if it has none.

    Args:
        version: Its folder.
        dimension: Of its embeddings.

    Raises:
        UnusableFile: One of their files is not what it should be.
    """
    folder = _folder(version)
    if folder is None:
        return ()
    facts, _ = _read_facts(folder)
    if facts.dimension != dimension:
        problem = f"is of embeddings of {facts.dimension} values, not {dimension}"
        raise UnusableFile(f"{folder.name}/{_FACTS_FILE}", problem)
    return _read(folder, facts)


def write_carried(version: Path, thumbnails: Sequence[Thumbnail]) -> None:
    """Writes 1 to 64 thumbnails that a refit carries over into the folder of a version to be published."""
    (version / CARRIED).mkdir()
    write_thumbnails(version / CARRIED, thumbnails)


def copy_thumbnails(base: Path, version: Path) -> None:
    """Gives the folder of a version that is about to be published what another one of the same liked images has.

    Raises:
        UnusableFile: Something there is no regular file, or cannot be read.
    """
    for name in (GIVEN, CARRIED):
        if (base / name).is_dir() and not (base / name).is_symlink():
            _link_files(base / name, version / name)


def _link_files(folder: Path, other: Path) -> None:
    other.mkdir()
    for path in sorted(folder.iterdir()):
        try:
            link_or_copy(path, other / path.name)
        except UnusableFile as error:
            raise UnusableFile(f"{folder.name}/{path.name}", error.problem) from error


def _folder(version: Path) -> Path | None:
    for folder in (version / GIVEN, version / CARRIED):
        if folder.is_symlink():
            raise UnusableFile(folder.name, "is a link")
        if folder.exists():
            return folder
    return None


def _read_facts(folder: Path) -> tuple[_ThumbnailFacts, str]:
    """What thumbnails.json says, and the digest of that file."""
    name = f"{folder.name}/{_FACTS_FILE}"
    content = _content(folder, _FACTS_FILE, _MAX_FACTS_BYTES)
    try:
        facts = TypeAdapter(_ThumbnailFacts).validate_json(content)
    except ValidationError as error:
        raise UnusableFile(name, first_problem(error)) from error
    if facts.positions != sorted(set(facts.positions)):
        raise UnusableFile(name, "has positions that do not ascend")
    if len(facts.jpeg_sha256) != len(facts.positions):
        problem = f"has {len(facts.jpeg_sha256)} digests for {len(facts.positions)} positions"
        raise UnusableFile(name, problem)
    return facts, hashlib.sha256(content).hexdigest()


def _read(folder: Path, facts: _ThumbnailFacts) -> tuple[Thumbnail, ...]:
    shape = (len(facts.positions), facts.dimension)
    try:
        embeddings = open_embeddings(folder / _EMBEDDINGS_FILE, shape, facts.embeddings_sha256)[:]
    except UnusableFile as error:
        raise UnusableFile(f"{folder.name}/{error.file_name}", error.problem) from error
    except ProfileDamaged as error:
        name = f"{folder.name}/{_EMBEDDINGS_FILE}"
        raise UnusableFile(name, "was changed while it was read") from error
    jpegs = [
        _jpeg(folder, position, sha256)
        for position, sha256 in zip(facts.positions, facts.jpeg_sha256, strict=True)
    ]
    return tuple(map(Thumbnail, facts.positions, jpegs, embeddings))


def _jpeg(folder: Path, position: int, sha256: str) -> bytes:
    name = _jpeg_name(position)
    content = _content(folder, name, MAX_JPEG_BYTES)
    if hashlib.sha256(content).hexdigest() != sha256:
        problem = f"has another SHA-256 than {_FACTS_FILE} says"
        raise UnusableFile(f"{folder.name}/{name}", problem)
    return content


def _content(folder: Path, name: str, limit_bytes: int) -> bytes:
    try:
        return read_up_to(folder / name, limit_bytes)
    except UnusableFile as error:
        raise UnusableFile(f"{folder.name}/{name}", error.problem) from error


def _jpeg_name(position: int) -> str:
    return f"{position}.jpg"
