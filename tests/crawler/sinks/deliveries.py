"""Deliveries of pictures that were never crawled."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.judgement import ProfileVersion
from services.crawler.listing import Listing
from services.crawler.sinks.sink import Delivery, Removal
from tests.crawler.subjects import accepted, decoded_candidate

JPEG = b"\xff\xd8\xff\xe0 a picture, more or less"
LISTING = Listing(
    "reddit:r/EarthPorn", "https://i.redd.it/1.jpg", "A lake", "https://reddit.com/1", "Ann"
)


def delivery(
    encoded=JPEG, *, listing=LISTING, file_name="2026-11-26_lake_1f3a9c21.jpg", form="JPEG"
):
    """A kept image with its bytes."""
    digest = hashlib.sha256(encoded).hexdigest()
    profile = ProfileVersion("landscapes", 3)
    image = KeptImage(
        1,
        digest,
        profile,
        file_name,
        listing,
        listing.url,
        len(encoded),
        1_764_000_000.0,
        True,
        None,
    )
    return Delivery(image, replace(decoded_candidate(1), format=form), accepted(), encoded)


def removal_of(one, note="", replaced_by=""):
    """That it was purged, or replaced."""
    image = one.image
    time = 1_764_000_100.0
    return Removal(image.digest, image.profile.name, image.file_name, note, time, replaced_by)
