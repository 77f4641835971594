"""The sample photos out of Debian packages: real photos under free licences, fetched without root."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from samples.apt import Apt, unpack
from samples.photo_folder import (
    Photo,
    Progress,
    SamplePhotos,
    link_or_copy,
    load_photos,
    seal_photos,
)
from samples.photo_list import ListedPackage, PhotoList, read_photo_list
from samples.whole_folder import only_one, replaced_whole

FOLDER: Final = "debian-photos"


def fetch_debian_photos(
    cache: Path, *, progress: Progress, listed: PhotoList | None = None
) -> SamplePhotos:
    """The photos of `photos.toml`, out of their Debian packages.

    The first call downloads and unpacks the packages (about 220 MB) and keeps the listed photos alone; later ones
    only look whether they are still there. A photo or package that this release of the system lacks is left out.

    Args:
        cache: Where to keep them; made if it is not there.
        progress: Is told what goes on, a line at a time.
        listed: Other photos than those of `photos.toml`.

    Raises:
        ToolMissingError: This system has no apt or dpkg.
        DownloadError: No network, or apt could not get the packages.
        UnpackError: A package is damaged.
        TooFewPhotosError: This release of the system lacks too many.
    """
    listed = listed or read_photo_list()
    folder = cache.absolute() / FOLDER
    kept = load_photos(folder, listed.key)
    if kept is not None:
        return kept
    with only_one(folder, progress=progress):
        kept = load_photos(folder, listed.key)
        if kept is None:
            _fetch(folder, listed, progress=progress)
            kept = load_photos(folder, listed.key)
    assert kept is not None, "the folder has just been made whole"
    return kept


def _fetch(folder: Path, listed: PhotoList, *, progress: Progress) -> None:
    # Kept until all is done, so that a run that was interrupted goes on where it was.
    downloads = folder.with_name(f"{folder.name}.downloads")
    debs = downloads / "packages"
    debs.mkdir(parents=True, exist_ok=True)
    apt = Apt(downloads / "apt", progress=progress)
    apt.download([package.name for package in listed.packages], debs)
    progress("unpacking the photos")
    photos: list[Photo] = []
    missing: list[str] = []
    with replaced_whole(folder) as draft:
        for package in listed.packages:
            found = sorted(debs.glob(f"{package.name}_*.deb"))
            if found:
                photos += _taken_from(found[-1], package, draft)
            else:
                progress(f"{package.name} is not in this system's packages: going on without it")
                missing.append(package.name)
        seal_photos(draft, photos, key=listed.key, missing=missing)
    shutil.rmtree(downloads, ignore_errors=True)


def _taken_from(deb: Path, package: ListedPackage, draft: Path) -> list[Photo]:
    """Moves a package's listed photos into the draft folder."""
    taken = []
    with tempfile.TemporaryDirectory(dir=draft) as unpacked:
        unpack(deb, Path(unpacked))
        for photo in package.photos:
            path = Path(unpacked, photo.path)
            if path.is_file() and not path.is_symlink():
                link_or_copy(path, draft / photo.role / photo.name)
                taken.append(
                    Photo(photo.role, photo.name, package.licence, author="", source=package.source)
                )
    return taken
