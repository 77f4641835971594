"""The files of a store as a check sees them, wherever the store is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOBS, PARTS, KEPT, SET_ASIDE = "blobs", "blobs/tmp", "kept", "set-aside"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Something in a store.

    Attributes:
        path: As seen from the store, for example `blobs/1f/1f3a…`.
        name: Its last part.
        is_folder: Whether it has others in it.
        is_file: Whether it is a file that can be read; a link or a pipe is none.
    """

    path: str
    name: str
    is_folder: bool = False
    is_file: bool = True


class StoredFiles(Protocol):
    """The files of a store, named by their paths. All methods block and may run in any thread.

    Raises, from every method:
        StoreAway: The store does not answer.
    """

    def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 of a file, 64 hex digits, and how many bytes it has.

        Raises:
            OSError: It is not there (FileNotFoundError), no file, or cannot be read.
        """
        ...

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """The bytes of a file; empty if there are more than `max_bytes`. Raises what `digest` does."""
        ...

    def holds(self, path: str, digest: str) -> bool:
        """Whether a readable name has the bytes that are stored under a digest. Raises what `digest` does."""
        ...

    def entries(self, folder: str) -> Iterator[StoredFile]:
        """What is right below a folder of few, by name; nothing if it is not there."""
        ...

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The files in a folder of many; by name, and a page at a time where that can be had."""
        ...

    def changed_time(self, file: StoredFile) -> float | None:
        """When it was written, seconds since 1970; None if it is gone."""
        ...


class MendableFiles(StoredFiles, Protocol):
    """Files that a repair may move out of the way."""

    def exists(self, path: str) -> bool:
        """Whether anything has that path."""
        ...

    def set_aside(self, path: str) -> str:
        """Moves a file to `set-aside/`, beside those of its name that are there. Returns where it is."""
        ...

    def remove(self, path: str) -> None:
        """Removes a file."""
        ...

    def bring_back(self, source: str, digest: str) -> None:
        """Gives a digest that has no bytes those of a readable name."""
        ...


def blob_path(digest: str) -> str:
    """The bytes of an image."""
    return f"{BLOBS}/{digest[:2]}/{digest}"


def sidecar_path(digest: str) -> str:
    """What is known of an image, beside its bytes."""
    return f"{blob_path(digest)}.json"


def name_path(profile_name: str, file_name: str) -> str:
    """A readable name."""
    return f"{KEPT}/{profile_name}/{file_name}"
