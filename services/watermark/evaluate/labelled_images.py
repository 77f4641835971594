"""Images with labels: the folders `clean/` and `marked/`, and `labels.jsonl` where `synthesize` has left one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import structlog
from pydantic import Field, TypeAdapter, ValidationError

from services.servicekit.errors import Misconfigured
from services.servicekit.image import Rgb
from services.watermark.evaluate.judged_image import ImageFacts, Truth
from services.watermark.evaluate.photo_files import PhotoFile, find_photo_files
from services.watermark.synthesis.photo_file import shown

FOLDERS: Final = ("clean", "marked")
LABELS_FILE: Final = "labels.jsonl"

_Ratio = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Label:
    """A line of `labels.jsonl`; what else is on it does not matter here.

    Attributes:
        name: Of the file, in both folders.
        photo: That both were made of.
        kind: Of the mark.
        opacity: Of the mark, 0..1.
        width_ratio: Width of the mark / width of the image, 0..1.
        negative: The hard negative in both; empty if there is none.
    """

    name: str
    photo: str
    kind: str
    opacity: _Ratio
    width_ratio: _Ratio
    negative: str = ""


def is_labelled(folder: Path) -> bool:
    """Whether labels can be told by its folders.

    Raises:
        Misconfigured: It has one of `clean/` and `marked/` alone.
    """
    there = [(folder / name).is_dir() for name in FOLDERS]
    if any(there) and not all(there):
        message = f"{folder}: it has one of clean/ and marked/; both are needed"
        raise Misconfigured(message)
    return all(there)


def labelled_images(folder: Path, limit: int | None) -> Iterator[tuple[ImageFacts, Rgb]]:
    """The images of both folders.

    Without a label a clean and a marked image of one name, whatever their suffixes, are of one photo, and any other is
    a photo of its own.

    Args:
        folder: That holds `clean/` and `marked/`.
        limit: Images of each of the two at most.

    Raises:
        Misconfigured: One of them has no image, or a line of `labels.jsonl` is wrong.
    """
    labels = read_labels(folder / LABELS_FILE)
    _tell_missing(folder, labels)
    files = {name: find_photo_files(folder / name) for name in FOLDERS}
    clean, marked = ({_stem(file) for file in found} for found in files.values())
    for name, found in files.items():
        for file in found[:limit]:
            rgb = file.read()
            if rgb is not None:
                photo = _stem(file) if _stem(file) in clean & marked else file.digest
                yield _facts(file, name, labels.get(file.name), photo), rgb


def read_labels(path: Path) -> dict[str, Label]:
    """The labels by the names of their files; none if there is no such file.

    Raises:
        Misconfigured: A line is no such label, or the file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        # As bytes: a text may have other line ends in it than those between the lines.
        lines = path.read_bytes().splitlines()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or type(error).__name__}"
        raise Misconfigured(message) from error
    return _labels_of(lines, path)


def _labels_of(lines: Sequence[bytes], path: Path) -> dict[str, Label]:
    line = TypeAdapter(Label)
    labels: dict[str, Label] = {}
    for number, text in enumerate(lines, start=1):
        try:
            label = line.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            message = f"{path}, line {number}: {where}: {first['msg']}"
            raise Misconfigured(message) from error
        labels[label.name] = label
    return labels


def _tell_missing(folder: Path, labels: Mapping[str, Label]) -> None:
    """A label without an image is no error: images may be taken out after a look at them."""
    if not labels:
        return
    insides = [folder / name for name in FOLDERS]
    there = {
        shown(path.relative_to(inside).as_posix())
        for inside in insides
        for path in inside.rglob("*")
    }
    for name in sorted(labels.keys() - there):
        reason = f"{LABELS_FILE} names it, and it is not there"
        structlog.get_logger().warning("left_out", image=name, reason=reason)


def _stem(file: PhotoFile) -> str:
    return str(PurePosixPath(file.name).with_suffix(""))


def _facts(file: PhotoFile, folder: str, label: Label | None, photo: str) -> ImageFacts:
    name = f"{folder}/{file.name}"
    source = "images" if file.source == folder else file.source
    if label is None:
        return ImageFacts(name=name, photo=photo, source=source, truth=Truth(folder))
    if folder == "marked":
        return ImageFacts(
            name=name,
            photo=label.photo,
            source=source,
            truth=Truth.MARKED,
            generator="first",
            kind=label.kind,
            opacity=label.opacity,
            width_ratio=label.width_ratio,
        )
    if label.negative:
        return ImageFacts(
            name=name,
            photo=label.photo,
            source=source,
            truth=Truth.HARD_NEGATIVE,
            generator="first",
            kind=label.negative,
        )
    return ImageFacts(name=name, photo=label.photo, source=source, truth=Truth.CLEAN)
