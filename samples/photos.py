"""The sample photos, from wherever this system can get them."""

from __future__ import annotations

from pathlib import Path

from samples.commons import fetch_commons_photos
from samples.debian import fetch_debian_photos
from samples.errors import SamplePhotosError, TooFewPhotosError, ToolMissingError
from samples.photo_folder import Progress, SamplePhotos

__all__ = [
    "SamplePhotos",
    "SamplePhotosError",
    "fetch_commons_photos",
    "fetch_debian_photos",
    "fetch_sample_photos",
]


def fetch_sample_photos(cache: Path, *, progress: Progress) -> SamplePhotos:
    """The photos that an earlier call left in `cache`; else out of Debian packages, or from Wikimedia Commons.

    Raises:
        SamplePhotosError: They could not be had, in one line.
    """
    try:
        return fetch_debian_photos(cache, progress=progress)
    except (ToolMissingError, TooFewPhotosError) as error:
        progress(f"{error}; taking photos of Wikimedia Commons instead")
        return fetch_commons_photos(cache, progress=progress)
