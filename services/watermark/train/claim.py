"""The folder of one training: made, held against others, and not written over."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.servicekit.errors import LodestoneError, Misconfigured
from services.servicekit.model_folder import MODEL_FILE
from services.watermark.detector_folder import DETECTORS

CHECKPOINT_FILE = "checkpoint.pt"


class FolderTaken(LodestoneError):
    """A training must not write into a folder.

    Attributes:
        folder: The folder.
        reason: What is in it, and the way out.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder}: {reason}")
        self.folder = folder
        self.reason = reason


@contextmanager
def claim_folder(folder: Path) -> Iterator[None]:
    """Makes a folder and holds it for this process; the system lets go of it however the process ends.

    Raises:
        FolderTaken: Another training runs in it.
        Misconfigured: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        message = f"{folder}: cannot be made: {error.strerror or type(error).__name__}"
        raise Misconfigured(message) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    # The folder itself is locked, so that no lock file is left in a detector.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderTaken(folder, "another training runs in it") from error


def refuse_trained(folder: Path, way_out: str) -> None:
    """Lets a training begin only where none has been.

    Raises:
        FolderTaken: There is a checkpoint or a detector, which it would replace.
    """
    if any(
        (folder / name).exists()
        for name in (CHECKPOINT_FILE, DETECTORS.description_file, MODEL_FILE)
    ):
        raise FolderTaken(folder, f"it holds a training; {way_out}")


def refuse_other_variant(folder: Path, variant: str) -> None:
    """Lets a training go on only where no detector of another variant would be replaced.

    Raises:
        FolderTaken: There is one.
    """
    try:
        held = json.loads((folder / DETECTORS.description_file).read_bytes())["training"]["variant"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        held = "unknown"
    if held != variant:
        reason = (
            f"it holds a detector of variant {held}: copy {CHECKPOINT_FILE} into another folder"
        )
        raise FolderTaken(folder, reason)
