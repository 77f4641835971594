"""The store's bytes: content-addressed files, their sidecars, and readable names for people."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.servicekit.disk import sync
from services.servicekit.errors import FailedPrecondition, Misconfigured


class BlobTooLarge(FailedPrecondition):
    """An image has more bytes than a message may.

    Attributes:
        digest: Its SHA-256, 64 hex digits.
        size_bytes: How many.
        max_bytes: How many may be asked for.
    """

    def __init__(self, digest: str, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"the image {digest[:12]} has {size_bytes:,} bytes, and at most {max_bytes:,} are sent"
        )
        self.digest = digest
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class BlobStore:
    """A folder of blobs named by their SHA-256, and `kept/` with hard links to them.

    Everything is written beside its place, synced and renamed, and its folder is synced: whatever a row of the
    catalogue names is on the disk, whole. All methods may run in any thread.
    """

    def __init__(self, data: Path) -> None:
        """Makes the folders.

        Raises:
            Misconfigured: They cannot be written.
        """
        self._blobs = data / "blobs"
        self._kept = data / "kept"
        self._parts = data / "blobs" / "tmp"
        try:
            for folder in (self._blobs, self._kept, self._parts):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot write the data folder {data}: {error.strerror}"
            raise Misconfigured(message) from error
        self._drop_parts()
        # A crash may have left a folder that is not on the disk yet.
        sync(self._blobs)

    def path(self, digest: str) -> Path:
        """Where the bytes of a digest are."""
        return self._blobs / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are there."""
        return self.path(digest).exists()

    def has_name(self, profile_name: str, file_name: str) -> bool:
        """Whether an image's readable name is there."""
        return (self._kept / profile_name / file_name).exists()

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        """Returns the bytes of a digest; empty if they are lost.

        Raises:
            BlobTooLarge: There are more.
        """
        with contextlib.suppress(FileNotFoundError), self.path(digest).open("rb") as handle:
            size_bytes = os.fstat(handle.fileno()).st_size
            if size_bytes > max_bytes:
                raise BlobTooLarge(digest, size_bytes, max_bytes)
            return handle.read()
        return b""

    def put(self, encoded: bytes, *, digest: str = "") -> str:
        """Stores bytes under their digest, which it returns; storing them again changes nothing.

        Args:
            encoded: The bytes.
            digest: Their SHA-256 if it is known, 64 hex digits.
        """
        digest = digest or hashlib.sha256(encoded).hexdigest()
        path = self.path(digest)
        if not path.exists():
            self._place(path, encoded)
            sync(path.parent)
        return digest

    def put_with_sidecar(self, encoded: bytes, digest: str, facts: dict[str, Any]) -> None:
        """Stores bytes and what is known of them, as `put` and `put_sidecar` do; both lie in one folder, synced once.

        Args:
            encoded: The bytes; empty if an earlier accept stored them.
            digest: Their SHA-256, 64 hex digits.
            facts: As for `put_sidecar`.
        """
        path = self.path(digest)
        if encoded and not path.exists():
            self._place(path, encoded)
        self.put_sidecar(digest, facts)

    def remove(self, digest: str, names: Sequence[tuple[str, str]]) -> None:
        """Removes an image for good: its readable names, as (profile name, file name), its sidecar and its bytes."""
        for profile_name, file_name in names:
            (self._kept / profile_name / file_name).unlink(missing_ok=True)
        path = self.path(digest)
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync(path.parent)

    def put_sidecar(self, digest: str, facts: dict[str, Any]) -> None:
        """Writes what is known of an image beside it.

        What an earlier accept wrote stays; `facts["judgements"]`, by profile version, is added to it.
        """
        path = self.path(digest).with_suffix(".json")
        known: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            known = json.loads(path.read_text())
        judged = known.get("judgements", {}) | facts["judgements"]
        text = json.dumps(facts | known | {"judgements": judged}, indent=2, ensure_ascii=False)
        self._place(path, text.encode())
        sync(path.parent)

    def link(self, digest: str, profile_name: str, file_name: str) -> None:
        """Gives an image its readable name, as a hard link (or a copy where the disk has none)."""
        target = self._kept / profile_name / file_name
        # A person may have removed the whole of `kept/`.
        target.parent.mkdir(parents=True, exist_ok=True)
        source = self.path(digest)
        part = self._parts / uuid.uuid4().hex
        try:
            os.link(source, part)
        except OSError:
            part.write_bytes(source.read_bytes())
        part.replace(target)
        # Renaming one hard link onto another of the same file leaves both.
        part.unlink(missing_ok=True)
        sync(target.parent)

    def _place(self, path: Path, content: bytes) -> None:
        """Puts synced content in its place; the place is on the disk when its folder is synced."""
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            sync(path.parent.parent)
        part = self._parts / uuid.uuid4().hex
        try:
            with part.open("xb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def _drop_parts(self) -> None:
        for part in self._parts.iterdir():
            part.unlink()
