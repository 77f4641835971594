"""What a profile was fitted to, on disk: liked.npy, background.npy, and liked.json with all that is no embedding."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from services.novelty.liked_images import ImageLabel, LikedImages
from services.novelty.stored.embedding_file import open_embeddings, write_embeddings
from services.novelty.stored.profile_facts import LikedDigests, ProfileFacts, first_problem
from services.novelty.stored.stored_files import UnusableFile, link_or_copy, read_up_to
from services.novelty.stored.stored_rows import StoredRows
from services.servicekit.errors import InvalidInput

EMBEDDINGS_FILE: Final = "liked.npy"
BACKGROUND_FILE: Final = "background.npy"
LABELS_FILE: Final = "liked.json"

# A name of 255 characters of four bytes each, a digest, two numbers.
_BYTES_OF_ONE: Final = 1536
_BYTES_OF_NONE: Final = 4096

_Position = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LikedFacts:
    """What stands in liked.json: lists of one value per liked image; see `LikedImages`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False
    )

    digests: list[str]
    names: list[str]
    held_out_log_likelihoods: list[float | None]
    originals: list[_Position | None]


def write_liked(folder: Path, liked: LikedImages) -> LikedDigests:
    """Writes the three files into a folder that has none of them; does not sync them."""
    facts = _LikedFacts(
        digests=[label.digest for label in liked.labels],
        names=[label.name for label in liked.labels],
        held_out_log_likelihoods=list(liked.held_out_log_likelihoods),
        originals=list(liked.originals),
    )
    content = TypeAdapter(_LikedFacts).dump_json(facts) + b"\n"
    with (folder / LABELS_FILE).open("xb") as file:
        file.write(content)
    return LikedDigests(
        embeddings=write_embeddings(folder / EMBEDDINGS_FILE, liked.embeddings),
        background=write_embeddings(folder / BACKGROUND_FILE, liked.background),
        labels=hashlib.sha256(content).hexdigest(),
    )


def link_liked(folder: Path, other: Path) -> None:
    """Gives `other` the files of `folder`: the same ones where the file system lets a file have two names.

    One that is missing is missing there too.

    Raises:
        UnusableFile: One is no regular file, or cannot be read.
    """
    for name in (EMBEDDINGS_FILE, BACKGROUND_FILE, LABELS_FILE):
        with suppress(FileNotFoundError):
            link_or_copy(folder / name, other / name)


def read_liked(folder: Path, facts: ProfileFacts, digests: LikedDigests) -> LikedImages:
    """Reads the three files of a version: all of them, for their digests; the embeddings stay on the disk.

    Raises:
        UnusableFile: One of them is not what profile.json says.
    """
    count = facts.sent_count
    labels = _read_labels(folder / LABELS_FILE, count, digests.labels)
    return LikedImages(
        embeddings=open_embeddings(
            folder / EMBEDDINGS_FILE, (count, facts.dimension), digests.embeddings
        ),
        background=open_embeddings(
            folder / BACKGROUND_FILE, (facts.background_count, facts.dimension), digests.background
        ),
        labels=_labels(labels),
        held_out_log_likelihoods=tuple(labels.held_out_log_likelihoods),
        originals=tuple(labels.originals),
    )


def is_as_checked(liked: LikedImages) -> bool:
    """Whether nobody wrote to the files of what was read, or cut them."""
    rows = (liked.embeddings, liked.background)
    return all(not isinstance(one, StoredRows) or one.is_as_checked for one in rows)


def _read_labels(path: Path, count: int, sha256: str) -> _LikedFacts:
    content = read_up_to(path, _BYTES_OF_NONE + _BYTES_OF_ONE * count)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UnusableFile(path.name, "has another SHA-256 than profile.json says")
    try:
        facts = TypeAdapter(_LikedFacts).validate_json(content)
    except ValidationError as error:
        raise UnusableFile(path.name, first_problem(error)) from error
    for name in _LikedFacts.__slots__:
        if len(getattr(facts, name)) != count:
            problem = f"has {len(getattr(facts, name)):,} {name}, not {count:,}"
            raise UnusableFile(path.name, problem)
    _check_originals(path.name, facts)
    return facts


def _check_originals(file_name: str, facts: _LikedFacts) -> None:
    for position, original in enumerate(facts.originals):
        if original is not None and (original >= position or facts.originals[original] is not None):
            raise UnusableFile(file_name, f"says that {position} repeats {original}")


def _labels(facts: _LikedFacts) -> tuple[ImageLabel, ...]:
    try:
        return tuple(map(ImageLabel, facts.digests, facts.names))
    except InvalidInput as error:
        raise UnusableFile(LABELS_FILE, f"has a label that is none: {error}") from error
