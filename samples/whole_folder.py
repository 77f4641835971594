"""Folders that are either whole or not there, however many runs make them and wherever one is killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samples.photo_folder import Progress


@contextmanager
def only_one(folder: Path, *, progress: Progress) -> Iterator[None]:
    """Holds the lock `<folder>.lock`, waiting while another process does; it falls with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another run that is making {folder.name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def replaced_whole(folder: Path) -> Iterator[Path]:
    """Yields an empty folder that takes `folder`'s place when the block ends well, and is removed when not.

    Call it under `only_one`: what an earlier, killed run left behind is removed first.
    """
    prefix = f".{folder.name}-"
    for left in folder.parent.glob(f"{prefix}*"):
        shutil.rmtree(left)
    draft = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        draft.chmod(0o755)
        yield draft
        if folder.exists():
            folder.rename(draft.with_name(f"{draft.name}.old"))
        draft.rename(folder)
        shutil.rmtree(draft.with_name(f"{draft.name}.old"), ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
