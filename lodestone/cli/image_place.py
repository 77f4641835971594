"""Where the files of a kept image are, for whoever wants to open them."""

from __future__ import annotations

from pathlib import Path

from lodestone.crawler.v1.kept_image_pb2 import FileState, KeptImage


def name_place(image: KeptImage, data: Path) -> str | None:
    """The file with its readable name: a path that is there, or an address on S3; None if it is neither here nor there.

    Args:
        image: The image.
        data: The data folder. The crawler may run on another machine, and have another one.
    """
    is_there = image.file_state == FileState.FILE_STATE_PRESENT
    path = f"kept/{image.judgement.profile_name}/{image.file_name}"
    return _place(image, data, path, is_there=is_there)


def blob_place(image: KeptImage, data: Path) -> str | None:
    """The file with its bytes; as `name_place`."""
    is_there = image.file_state != FileState.FILE_STATE_LOST
    path = f"blobs/{image.digest[:2]}/{image.digest}"
    return _place(image, data, path, is_there=is_there)


def damage_of(image: KeptImage, data: Path) -> str | None:
    """What is wrong with the files of a kept image as far as their sizes tell, a sentence; None if nothing is.

    Bytes that were overwritten by as many others are not told: `lodestone verify` reads them.

    Args:
        image: The image.
        data: The data folder. What is not there is no damage: the crawler may run on another machine.
    """
    if image.file_state == FileState.FILE_STATE_LOST:
        return "its stored bytes are gone: `lodestone verify --repair`, or a backup, may bring them back"
    if image.store_address:
        return None
    for place in (blob_place(image, data), name_place(image, data)):
        size_bytes = _size_bytes(place)
        if size_bytes not in (None, image.size_bytes):
            return (
                f"{place} has {size_bytes:,} bytes and not {image.size_bytes:,}: "
                "restore it from a backup; `lodestone verify` says more"
            )
    return None


def _size_bytes(place: str | None) -> int | None:
    """Of a file that is there."""
    try:
        return None if place is None else Path(place).stat().st_size
    except OSError:
        return None


def _place(image: KeptImage, data: Path, path: str, *, is_there: bool) -> str | None:
    if image.store_address:
        return f"{image.store_address}/{path}" if is_there else None
    return str(data / path) if (data / path).exists() else None
