"""What keeps the bytes of kept images: content-addressed blobs, their sidecars, and readable names for people."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

from services.servicekit.errors import FailedPrecondition, NotFound, Unavailable

# A profile's name, and the name of a file that people read.
ReadableName: TypeAlias = tuple[str, str]


class StoreAway(Unavailable):
    """Nothing can be written to the store, or read from it, for now: a full disk, a service that does not answer.

    Attributes:
        where: The store, for example `s3://bucket/prefix`.
        lasts: Whether somebody has to change something first: permission is denied, there is no such bucket.
    """

    def __init__(self, where: str, cause: str, *, lasts: bool = False) -> None:
        super().__init__(f"the store {where}", cause)
        self.where = where
        self.lasts = lasts


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


class BlobDamaged(FailedPrecondition):
    """What the store has under a digest cannot be the bytes of that digest. It is left as it is.

    Attributes:
        digest: The SHA-256, 64 hex digits.
        size_bytes: How many bytes are there.
        expected_bytes: How many there should be; None if only the digest is known.
        damage: What is wrong with them, without what to do about it.
    """

    def __init__(self, digest: str, size_bytes: int, expected_bytes: int | None = None) -> None:
        if expected_bytes in (None, size_bytes):
            damage = f"its {size_bytes:,} bytes are not those of its name"
        else:
            damage = f"it has {size_bytes:,} bytes instead of {expected_bytes:,}"
        super().__init__(
            f"the stored image {digest[:12]} is damaged: {damage}; restore it from a backup, or delete it, then resume"
        )
        self.digest = digest
        self.size_bytes = size_bytes
        self.expected_bytes = expected_bytes
        self.damage = damage


class SidecarDamaged(FailedPrecondition):
    """What lies beside an image is not what a sidecar is. It is left as it is.

    Attributes:
        digest: The image's SHA-256, 64 hex digits.
    """

    def __init__(self, digest: str) -> None:
        super().__init__(
            f"the sidecar of the stored image {digest[:12]} is damaged: it is no JSON object; "
            "restore it from a backup, or delete it, then resume"
        )
        self.digest = digest


class BlobLost(NotFound):
    """The bytes of an image were stored once and are not there any more.

    Attributes:
        digest: Its SHA-256, 64 hex digits.
    """

    def __init__(self, digest: str) -> None:
        super().__init__("blob", digest)
        self.digest = digest


def require_whole(stored: bytes, digest: str) -> bytes:
    """Returns bytes that are those of their name.

    Raises:
        BlobDamaged: They are not.
    """
    if hashlib.sha256(stored).hexdigest() != digest:
        raise BlobDamaged(digest, len(stored))
    return stored


class BlobStore(Protocol):
    """Blobs named by their SHA-256, each with a sidecar, and readable names.

    What a method has written is on the disk, or confirmed by the service, when it returns. Doing anything again
    changes nothing. All methods block and may run in any thread.

    Raises, from every method:
        StoreAway: It cannot be done for now; nothing half done can be seen.
    """

    @property
    def address(self) -> str:
        """Where it is, for people: `s3://bucket/prefix`; empty for the data folder."""
        ...

    def has(self, digest: str) -> bool:
        """Whether the bytes of a digest are there."""
        ...

    def present(self, digests: Iterable[str]) -> set[str]:
        """Those of many digests whose bytes are there."""
        ...

    def present_names(self, names: Iterable[ReadableName]) -> set[ReadableName]:
        """Those of many readable names that are there."""
        ...

    def read(self, digest: str, *, max_bytes: int) -> bytes:
        """Returns the bytes of a digest; empty if they are lost.

        Raises:
            BlobTooLarge: There are more; none was read.
            BlobDamaged: They are not those of the digest.
        """
        ...

    def put_with_sidecar(self, encoded: bytes, digest: str, facts: dict[str, Any]) -> None:
        """Stores bytes under their digest, then what is known of them.

        Args:
            encoded: The bytes; empty if an earlier accept stored them.
            digest: Their SHA-256, 64 hex digits.
            facts: What is known. What an earlier accept wrote stays; `facts["judgements"]`, by profile version, is
                added to it, whoever else adds to it at the same time.

        Raises:
            BlobLost: No bytes are given, and there are none.
            BlobDamaged: What is there are other bytes.
            SidecarDamaged: What is beside it is no sidecar.
        """
        ...

    def put_sidecar(self, digest: str, facts: dict[str, Any]) -> None:
        """Writes what is known of an image beside it, as `put_with_sidecar` does, whether its bytes are there or not.

        Raises:
            SidecarDamaged: What is there is no sidecar.
        """
        ...

    def link(self, digest: str, name: ReadableName) -> bool:
        """Gives an image its readable name; False if its bytes are lost."""
        ...

    def remove(self, digest: str, names: Iterable[ReadableName]) -> None:
        """Removes an image for good: its readable names, its sidecar and its bytes."""
        ...

    def remove_name(self, name: ReadableName) -> None:
        """Removes a readable name alone."""
        ...
