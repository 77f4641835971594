"""The files of a store on S3: objects, whose keys are the paths."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from services.crawler.store.blob_store import StoreAway
from services.crawler.store.s3_bucket import S3Bucket, S3Entry
from services.crawler.verifying.stored_files import SET_ASIDE, StoredFile, blob_path


class BucketFiles:
    """MendableFiles in a bucket. Checking writes nothing: keys that may read and list are enough for it."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket

    def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 and size of an object; see `StoredFiles.digest`."""
        found = self._bucket.digest(path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """The bytes of an object; empty if there are more, of which none is read."""
        size_bytes = self._bucket.size_bytes(path)
        if size_bytes is None:
            raise FileNotFoundError(path)
        if size_bytes > max_bytes:
            return b""
        found = self._bucket.get(path)
        if found is None:
            raise FileNotFoundError(path)
        return found.content

    def holds(self, path: str, digest: str) -> bool:
        """Whether a readable name has the bytes: by size and ETag of both objects, and else by its own bytes."""
        there = self._bucket.head(path)
        if there is None:
            raise FileNotFoundError(path)
        blob = self._bucket.head(blob_path(digest))
        is_same = blob is not None and there.size_bytes == blob.size_bytes
        if is_same and there.e_tag and blob and there.e_tag == blob.e_tag:
            return True
        return self.digest(path)[0] == digest

    def entries(self, folder: str) -> Iterator[StoredFile]:
        """What is right below a prefix, by name."""
        for entry in self._bucket.entries(folder):
            yield _file(entry, entry.key.rpartition("/")[2])

    def files(self, folder: str) -> Iterator[StoredFile]:
        """All objects below a prefix, some thousand of them in memory."""
        for entry in self._bucket.objects(folder):
            yield _file(entry, entry.key.removeprefix(f"{folder}/"))

    def changed_time(self, file: StoredFile) -> float | None:
        """When it was written, by the service's clock; None if it is gone."""
        found = self._bucket.head(file.path)
        return None if found is None else found.changed_time

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return self._bucket.size_bytes(path) is not None

    def set_aside(self, path: str) -> str:
        """Copies an object to `set-aside/`, and deletes it once the copy is there. Returns its key."""
        name = path.rpartition("/")[2]
        keys = (f"{SET_ASIDE}/{name}{'' if number == 1 else f'.{number}'}" for number in count(1))
        target = next(key for key in keys if not self.exists(key))
        self._copy(path, target)
        self._bucket.delete([path])
        return target

    def remove(self, path: str) -> None:
        """Deletes an object."""
        self._bucket.delete([path])

    def bring_back(self, source: str, digest: str) -> None:
        """Copies the object of a readable name."""
        self._copy(source, blob_path(digest))

    def _copy(self, source: str, target: str) -> None:
        size_bytes = self._bucket.size_bytes(source)
        if not self._bucket.copy(source, target) or self._bucket.size_bytes(target) != size_bytes:
            cause = f"the copy of {source} is not what it was made from"
            raise StoreAway(str(self._bucket.address), cause)


def _file(entry: S3Entry, name: str) -> StoredFile:
    return StoredFile(entry.key, name, is_folder=entry.is_prefix, is_file=not entry.is_prefix)
