"""An encoder folder in a place that several pods share: brought there once, complete or not at all."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from services.servicekit.encoder_folder import EncoderFolder, load_encoder_folder
from services.servicekit.errors import Misconfigured


class EncoderPlaceTaken(Misconfigured):
    """Another encoder has the name.

    Attributes:
        path: The folder that is there.
        there: Its encoder id.
        brought: The encoder id of the one that was to be brought.
    """

    def __init__(self, path: Path, *, there: str, brought: str) -> None:
        super().__init__(
            f"{path} has the encoder {there}, not {brought}: profiles belong to an encoder, so none takes another's "
            "place; remove the folder, or give the new one another name"
        )
        self.path = path
        self.there = there
        self.brought = brought


class EncoderPlaceUnusable(Misconfigured):
    """The encoder cannot be written there.

    Attributes:
        path: The folder that was to be made.
        cause: What the operating system said.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path} cannot be made: {cause}")
        self.path = path
        self.cause = cause


def bring_encoder(source: Path, place: Path) -> bool:
    """Copies an encoder folder to `place`, unless it is there; both are verified by their digests.

    It takes its name by one rename: whoever looks sees all of it or nothing, and of several at once one is the first.

    Returns:
        Whether this call brought it.

    Raises:
        ModelFolderUnusable: The source, or what is at `place`, is not what its description says.
        EncoderPlaceTaken: Another encoder is at `place`.
        EncoderPlaceUnusable: It cannot be written.
    """
    brought = load_encoder_folder(source)
    try:
        is_first = not place.exists() and _copy(brought, place)
    except OSError as error:
        raise EncoderPlaceUnusable(place, error.strerror or type(error).__name__) from error
    there = load_encoder_folder(place)
    if (there.encoder_id, there.sha256) != (brought.encoder_id, brought.sha256):
        raise EncoderPlaceTaken(place, there=there.encoder_id, brought=brought.encoder_id)
    return is_first


def _copy(brought: EncoderFolder, place: Path) -> bool:
    """Whether the copy came to be `place`, and not another's."""
    place.parent.mkdir(parents=True, exist_ok=True)
    # By the pod's name: a container that was killed meanwhile, and starts again, takes its leftovers away.
    staging = place.with_name(f".{place.name}.{socket.gethostname()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        shutil.copytree(brought.path, staging, copy_function=_copy_file)
        _sync(staging)
        # What the disk holds is what counts, not what was read.
        load_encoder_folder(staging)
        return _rename(staging, place)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_file(source: str, target: str) -> None:
    """Content alone: in an image, files are root's."""
    shutil.copyfile(source, target)
    _sync(Path(target))


def _rename(staging: Path, place: Path) -> bool:
    try:
        staging.rename(place)
    except OSError:
        # A folder that holds something is not replaced.
        if place.exists():
            return False
        raise
    _sync(place.parent)
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
